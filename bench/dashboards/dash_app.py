"""The three panels with Dash and Plotly: ``python dash_app.py PORT``."""

import sys
from typing import Any

import plotly.graph_objects as go
from dash import Dash, Input, Output, dcc, html
from panels import COUNTRIES, asked, bars, by_country

app = Dash(__name__)
app.layout = html.Main(
    [
        html.H1("Orders"),
        dcc.Dropdown(COUNTRIES, multi=True, id="countries", placeholder="All countries"),
        html.P(id="average"),
        dcc.Graph(id="popular"),
        dcc.Graph(id="by-country"),
    ]
)


@app.callback(
    Output("average", "children"),
    Output("popular", "figure"),
    Output("by-country", "figure"),
    Input("countries", "value"),
)
def update(countries: list[str] | None) -> tuple[str, Any, Any]:
    """Ask and draw all panels anew."""
    found = asked(countries)
    names, lengths = bars(found.overall)
    popular = go.Figure(go.Bar(x=lengths, y=names, orientation="h"))
    groups = by_country(found)
    rows = [
        (f"{country} {row['sku']}", row["quantity"])
        for country in groups
        for row in groups[country]
    ]
    ranked = go.Figure(
        go.Bar(x=[n for _, n in rows], y=[name for name, _ in rows], orientation="h")
    )
    average, orders = found.average["average"] or 0, found.average["orders"]
    return f"{average:.2f} items per order ({orders:,} orders)", popular, ranked


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), debug=False)
