"""Show in Tableau: a workbook with three sheets and one dashboard, made, checked and published."""
