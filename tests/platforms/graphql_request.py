"""GraphQL over HTTP, run by graphql-core: what the platforms `shopify` and `vendure` share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    build_schema,
    execute_sync,
    get_argument_values,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    get_variable_values,
    is_leaf_type,
    is_list_type,
    parse,
    validate,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import (
        DocumentNode,
        ExecutionResult,
        GraphQLSchema,
        OperationDefinitionNode,
        SelectionSetNode,
        VariableValues,
    )

    from orderpull.simulator.profile import Request


def read_schema(name: str) -> GraphQLSchema:
    """Return the schema in the file `NAME.graphql` beside this module."""
    return build_schema(Path(__file__).with_name(f"{name}.graphql").read_text("utf-8"))


class InvalidDocumentError(Exception):
    """A document that does not fit its schema; `errors` say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


class Field(NamedTuple):
    """A selected field: its key in the response, the name of its type, arguments and selection."""

    name: str
    key: str
    type: str
    arguments: dict[str, Any]
    fields: list[Field]
    is_list: bool = False


class Call(NamedTuple):
    """The body of a POST: a document, the values of its variables, the operation to run."""

    document: str
    variables: dict[str, Any]
    operation: str | None = None

    @classmethod
    def of(cls, request: Request) -> Call:
        """Return the call in a request. InvalidDocumentError for a body without one."""
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            message = "POST body missing, invalid Content-Type, or JSON object has no query."
            raise InvalidDocumentError([GraphQLError(message)])
        variables = body.get("variables") or {}
        if not isinstance(variables, dict):
            raise InvalidDocumentError([GraphQLError("`variables` must be an object.")])
        return cls(body["query"], variables, body.get("operationName"))

    def parsed(self) -> tuple[DocumentNode, OperationDefinitionNode]:
        """Return the syntax tree and its operation. InvalidDocumentError without one operation."""
        try:
            document = parse(self.document)
        except GraphQLError as error:
            raise InvalidDocumentError([error]) from None
        operation = get_operation_ast(document, self.operation)
        if operation is None:
            raise InvalidDocumentError([GraphQLError("Must provide the name of one operation.")])
        return document, operation

    def first_field(self) -> FieldNode | None:
        """Return the first root field of the unchecked document, None for a fragment."""
        field = self.parsed()[1].selection_set.selections[0]
        return field if isinstance(field, FieldNode) else None

    def checked(self, schema: GraphQLSchema) -> Operation:
        """Return the operation. InvalidDocumentError if it does not fit `schema`."""
        document, node = self.parsed()
        errors = validate(schema, document)
        if errors:
            raise InvalidDocumentError(errors)
        return Operation(schema, document, node, self.variables)


@dataclass(frozen=True)
class Operation:
    """A query or a mutation that fits its schema, with the variables as they came."""

    schema: GraphQLSchema
    document: DocumentNode
    node: OperationDefinitionNode
    variables: dict[str, Any]

    @property
    def is_mutation(self) -> bool:
        """True for a mutation, False for a query."""
        return self.node.operation.value == "mutation"

    def fields(self) -> list[Field]:
        """Return the selected fields. InvalidDocumentError for a variable of a wrong type."""
        definitions = self.node.variable_definitions or ()
        values = get_variable_values(self.schema, definitions, self.variables)
        if isinstance(values, list):
            raise InvalidDocumentError(values)
        root = self.schema.get_root_type(self.node.operation)
        return list(self._fields(self.node.selection_set, root, values))

    def run(self, root: dict[str, Any], context: object = None) -> ExecutionResult:
        """Execute the operation; callable members of `root` are resolvers."""
        name = self.node.name.value if self.node.name else None
        return execute_sync(self.schema, self.document, root, context, self.variables, name)

    def _fields(
        self, selection: SelectionSetNode, owner: Any, values: VariableValues
    ) -> Iterator[Field]:
        """Yield the fields of a selection on the type `owner`, those of fragments included."""
        for node in selection.selections:
            if isinstance(node, FieldNode):
                if not node.name.value.startswith("__"):
                    yield self._field(node, owner, values)
                continue
            fragment = self._fragment(node) if isinstance(node, FragmentSpreadNode) else node
            assert isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode)
            condition = fragment.type_condition
            kind = self.schema.get_type(condition.name.value) if condition else owner
            yield from self._fields(fragment.selection_set, kind, values)

    def _field(self, node: FieldNode, owner: Any, values: VariableValues) -> Field:
        definition = owner.fields[node.name.value]
        kind = get_named_type(definition.type)
        selection = node.selection_set
        return Field(
            node.name.value,
            node.alias.value if node.alias else node.name.value,
            "" if is_leaf_type(kind) else kind.name,
            get_argument_values(definition, node, values),
            list(self._fields(selection, kind, values)) if selection else [],
            is_list_type(get_nullable_type(definition.type)),
        )

    def _fragment(self, spread: FragmentSpreadNode) -> FragmentDefinitionNode:
        return next(
            node
            for node in self.document.definitions
            if isinstance(node, FragmentDefinitionNode) and node.name.value == spread.name.value
        )
