//! The columns of each list, from the OpenAPI document: the fields of its items, in order. A field of an object within an
//! item is `object.field`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, Type};

/// The parameter that selects the format of a list.
pub(super) const FORMAT: &str = "format";

/// Maximum depth of objects within an item.
const DEPTH: usize = 3;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    name: String,
}

impl Column {
    /// Its name: the field, preceded by the names of the objects that contain it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its value in an item; null if the item has none.
    pub(super) fn value<'a>(&self, item: &'a Value) -> &'a Value {
        self.name.split('.').fold(item, |value, field| value.get(field).unwrap_or(&Value::Null))
    }
}

/// The columns by the path of the list.
#[derive(Debug)]
pub(super) struct Columns(BTreeMap<String, Arc<[Column]>>);

impl Columns {
    /// Of all lists of a document.
    pub(super) fn new(document: &OpenApi) -> Self {
        let lists = document.paths.paths.iter().filter_map(|(path, item)| {
            let list = list_of(item.get.as_ref()?)?;
            Some((path.clone(), item_columns(document, list)?.into()))
        });
        Self(lists.collect())
    }

    /// Of the list at a path.
    pub(super) fn of(&self, path: &str) -> Option<Arc<[Column]>> {
        self.0.get(path).cloned()
    }
}

/// The schema of the list that an operation gives, by name.
fn list_of(operation: &Operation) -> Option<&str> {
    let RefOr::T(response) = operation.responses.responses.get("200")? else { return None };
    let RefOr::T(content) = response.content.get("application/json")? else { return None };
    let Some(RefOr::Ref(reference)) = &content.schema else { return None };
    name(reference).filter(|name| name.starts_with("List_"))
}

fn name(reference: &Ref) -> Option<&str> {
    reference.ref_location.strip_prefix("#/components/schemas/")
}

fn schema<'a>(document: &'a OpenApi, found: &'a RefOr<Schema>) -> Option<&'a Schema> {
    match found {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(reference) => match document.components.as_ref()?.schemas.get(name(reference)?)? {
            RefOr::T(schema) => Some(schema),
            RefOr::Ref(_) => None,
        },
    }
}

fn item_columns(document: &OpenApi, list: &str) -> Option<Vec<Column>> {
    let list = document.components.as_ref()?.schemas.get(list)?;
    let Schema::Object(list) = schema(document, list)? else { return None };
    let Schema::Array(items) = schema(document, list.properties.get("items")?)? else { return None };
    let ArrayItems::RefOrSchema(item) = &items.items else { return None };
    let mut columns = Vec::new();
    add(document, item, "", &mut columns, DEPTH);
    Some(columns)
}

/// Adds the columns of a value: its fields if it is an object with fields, itself otherwise.
fn add(document: &OpenApi, value: &RefOr<Schema>, path: &str, columns: &mut Vec<Column>, depth: usize) {
    match schema(document, value).filter(|_| depth > 0) {
        Some(Schema::Object(object)) if !object.properties.is_empty() => {
            for (field, value) in &object.properties {
                let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
                add(document, value, &path, columns, depth - 1);
            }
        }
        Some(Schema::AllOf(all)) => {
            all.items.iter().for_each(|part| add(document, part, path, columns, depth));
        }
        // An object that may be null.
        Some(Schema::OneOf(one)) if one.items.len() == 2 => {
            let object = one.items.iter().find(|item| matches!(item, RefOr::Ref(_)));
            match object {
                Some(object) => add(document, object, path, columns, depth),
                None => columns.push(Column { name: path.to_owned() }),
            }
        }
        Some(_) | None => columns.push(Column { name: path.to_owned() }),
    }
}

/// Documents the format of every list.
pub(super) fn describe(document: &mut OpenApi) {
    for operation in document.paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        if list_of(operation).is_none() {
            continue;
        }
        let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["json", "csv"]));
        let text = "`csv`: a table of all pages from `page` on, as with `Accept: text/csv`";
        let format = ParameterBuilder::new().name(FORMAT).parameter_in(ParameterIn::Query);
        let format = format.required(Required::False).description(Some(text)).schema(Some(words.build()));
        operation.parameters.get_or_insert_default().push(format.build().into());
        if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
            let table = ObjectBuilder::new().schema_type(Type::String).build();
            let content = ContentBuilder::new().schema(Some(table)).build();
            response.content.insert("text/csv".to_owned(), content.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_list_are_the_fields_of_its_items_in_their_order() {
        let (_, document, columns) = crate::operators::api::documented();
        let names = |path: &str| -> Vec<String> {
            columns.of(path).unwrap().iter().map(|column| column.name().to_owned()).collect()
        };
        let customer = ["customer", "name", "erp_key", "sites", "gateways", "devices"];
        assert_eq!(names("/api/v1/customers")[..6], customer);
        assert!(names("/api/v1/calls").contains(&"kind".to_owned()), "an enum is a value");
        let lists = document.paths.paths.values().filter_map(|item| list_of(item.get.as_ref()?)).count();
        assert!(lists > 12 && lists == columns.0.len(), "{lists} lists");
        for (path, columns) in &columns.0 {
            assert!(columns.len() > 3 && columns.iter().all(|column| !column.name.is_empty()), "{path}");
        }
    }

    #[test]
    fn a_value_within_an_object_is_found() {
        let column = Column { name: "address.city".to_owned() };
        assert_eq!(column.value(&serde_json::json!({"address": {"city": "Oslo"}})), "Oslo");
        assert_eq!(*column.value(&serde_json::json!({"address": null})), Value::Null);
    }
}
