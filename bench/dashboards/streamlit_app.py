"""The three panels with Streamlit: ``streamlit run streamlit_app.py``."""

import pandas as pd
import streamlit as st
from panels import COUNTRIES, asked, by_country

st.title("Orders")
countries = st.multiselect("Countries", COUNTRIES, placeholder="All countries")
found = asked(countries)
average, orders = found.average["average"] or 0, found.average["orders"]
st.metric("Items per order", f"{average:.2f} ({orders:,} orders)")
st.subheader("Most popular SKUs")
st.bar_chart(pd.DataFrame(found.overall), x="sku", y="quantity", horizontal=True)
st.subheader("Most popular SKUs by country")
for country, rows in by_country(found).items():
    st.caption(country)
    st.bar_chart(pd.DataFrame(rows), x="sku", y="quantity", horizontal=True)
