"""The types of Shopify's Admin GraphQL API, as far as orders go."""

from __future__ import annotations

from tests.platforms.graphql import Schema, Type

CONNECTION = frozenset({"first", "last", "after", "before", "reverse"})
_PLAIN = Type()


def _plain(names: str) -> dict[str, Type]:
    return dict.fromkeys(names.split(), _PLAIN)


def _connection(of: str) -> Schema:
    return {
        f"{of}Connection": {
            "edges": Type(f"{of}Edge"),
            "nodes": Type(of),
            "pageInfo": Type("PageInfo"),
        },
        f"{of}Edge": {"cursor": _PLAIN, "node": Type(of)},
    }


MONEY = Type("MoneyBag")
SCHEMA: Schema = {
    "Query": {
        "orders": Type("OrderConnection", CONNECTION | {"sortKey", "query", "savedSearchId"}),
        "order": Type("Order", frozenset({"id"})),
        "node": Type("Node", frozenset({"id"})),
        "nodes": Type("Node", frozenset({"ids"})),
        "shop": Type("Shop"),
        "currentAppInstallation": Type("AppInstallation"),
        "currentBulkOperation": Type("BulkOperation", frozenset({"type"})),
        "bulkOperation": Type("BulkOperation", frozenset({"id"})),
    },
    "Mutation": {
        "bulkOperationRunQuery": Type(
            "BulkOperationRunQueryPayload", frozenset({"query", "groupObjects"})
        ),
        "bulkOperationCancel": Type("BulkOperationRunQueryPayload", frozenset({"id"})),
    },
    "Node": _plain("id"),
    "Shop": _plain("id name myshopifyDomain ianaTimezone currencyCode"),
    "AppInstallation": {"id": _PLAIN, "accessScopes": Type("AccessScope")},
    "AccessScope": _plain("handle"),
    "PageInfo": _plain("hasNextPage hasPreviousPage startCursor endCursor"),
    "MoneyBag": {"shopMoney": Type("MoneyV2"), "presentmentMoney": Type("MoneyV2")},
    "MoneyV2": _plain("amount currencyCode"),
    "Order": {
        **_plain("id legacyResourceId name number createdAt updatedAt processedAt cancelledAt"),
        **_plain("cancelReason closedAt closed test confirmed edited currencyCode email note tags"),
        **_plain("displayFinancialStatus displayFulfillmentStatus sourceName"),
        "totalPriceSet": MONEY,
        "currentTotalPriceSet": MONEY,
        "subtotalPriceSet": MONEY,
        "shippingAddress": Type("MailingAddress"),
        "billingAddress": Type("MailingAddress"),
        "lineItems": Type("LineItemConnection", CONNECTION),
    },
    "LineItem": {
        **_plain("id sku quantity currentQuantity title name vendor requiresShipping isGiftCard"),
        "originalUnitPriceSet": MONEY,
        "discountedUnitPriceSet": MONEY,
        "variant": Type("ProductVariant"),
    },
    "ProductVariant": _plain("id sku"),
    "MailingAddress": _plain(
        "id name firstName lastName company address1 address2 city province provinceCode zip "
        "country countryCodeV2 phone"
    ),
    "BulkOperation": _plain(
        "id type status errorCode query createdAt completedAt objectCount rootObjectCount fileSize "
        "url partialDataUrl"
    ),
    "BulkOperationRunQueryPayload": {
        "bulkOperation": Type("BulkOperation"),
        "userErrors": Type("UserError"),
    },
    "UserError": _plain("field message code"),
    **_connection("Order"),
    **_connection("LineItem"),
}
