//! The JSON Schema of project files, for editors.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::model::File;

/// Returns the JSON Schema (draft 2020-12) of project files.
///
/// Every file that [`Project::parse`](super::Project::parse) accepts is valid by it. What needs
/// more than one value to be told, such as names, cycles and steps that do not rise, it cannot say.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    schema.insert("title".to_owned(), "leadsman.yaml".into());
    schema.to_value()
}
