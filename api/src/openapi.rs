//! The OpenAPI document, made of the table of operations. The shapes of answers stand here beside their names.

use serde_json::{Map, Value, json};

use crate::operation::{Kind, OPERATIONS, Operation, Parameter};

/// The document.
pub(crate) fn document() -> Vec<u8> {
    let mut paths = Map::new();
    for operation in &OPERATIONS {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            let method = operation.allow.split(',').next().unwrap_or_default().to_ascii_lowercase();
            methods.insert(method, describe(operation));
        }
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Windfire",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A fleet of servers: who is there, how is each doing now, how did it do before.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "The API token by itself, or after the word Bearer",
                },
            },
            "schemas": schemas(),
        },
    });
    document.to_string().into_bytes()
}

fn describe(operation: &Operation) -> Value {
    let content_type = match operation.answer {
        "Text" => "text/plain",
        _ => "application/json",
    };
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let schema = if operation.scope.is_some() {
        // Who may not ask is told with status 200, as in Nezha v0.
        json!({"oneOf": [reference(operation.answer), reference("Refused")]})
    } else {
        reference(operation.answer)
    };
    let mut content = Map::new();
    content.insert(content_type.to_owned(), json!({"schema": schema}));
    if operation.answer == "History" {
        content.insert("text/csv".to_owned(), json!({"schema": {"type": "string"}}));
        content.insert("application/x-ndjson".to_owned(), json!({"schema": {"type": "string"}}));
    }
    let mut answers = Map::new();
    answers.insert("200".to_owned(), json!({"description": operation.about, "content": content}));
    if !operation.parameters.is_empty() || operation.allow == "POST" {
        let error = json!({
            "description": "Something in the request is wrong; the message says what",
            "content": {"application/json": {"schema": reference("Error")}},
        });
        answers.insert("400".to_owned(), error);
    }
    let mut described = json!({
        "summary": operation.about,
        "operationId": format!("{:?}", operation.route),
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": answers,
        "security": if operation.scope.is_some() { json!([{"token": []}]) } else { json!([]) },
    });
    if operation.allow == "POST" {
        described["requestBody"] = json!({"content": {"application/json": {"schema": reference("Register")}}});
    }
    described
}

fn parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Ids => json!({"type": "array", "items": {"type": "integer", "minimum": 0}}),
        Kind::OneOf(names) => json!({"type": "string", "enum": names()}),
        Kind::SomeOf(names) => json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": names()}}),
        Kind::Number(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
    };
    let is_list = matches!(parameter.kind, Kind::Ids | Kind::SomeOf(_));
    let mut described = json!({
        "name": parameter.name,
        "in": if parameter.is_in_path { "path" } else { "query" },
        "required": parameter.is_required,
        "description": parameter.about,
        "schema": schema,
    });
    if is_list {
        described["style"] = json!("form");
        described["explode"] = json!(false);
    }
    described
}

/// Shapes of answers.
fn schemas() -> Value {
    let object = |properties: Value| {
        let required: Vec<String> = properties.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
        json!({"type": "object", "properties": properties, "required": required})
    };
    let integer = || json!({"type": "integer"});
    let text = || json!({"type": "string"});
    let number = || json!({"type": "number"});
    let maybe_number = || json!({"type": ["number", "null"]});
    let texts = || json!({"type": ["array", "null"], "items": {"type": "string"}});
    let list = |items: Value| json!({"type": "array", "items": items});
    let envelope = |result: Value| object(json!({"code": integer(), "message": text(), "result": result}));
    let server = json!({
        "id": integer(), "name": text(), "tag": text(), "last_active": integer(),
        "ipv4": text(), "ipv6": text(), "valid_ip": text(), "display_index": integer(), "hide_for_guest": {"type": "boolean"},
    });
    let mut detailed = server.clone();
    detailed["host"] = object(json!({
        "Platform": text(), "PlatformVersion": text(), "CPU": texts(), "MemTotal": integer(), "DiskTotal": integer(),
        "SwapTotal": integer(), "Arch": text(), "Virtualization": text(), "BootTime": integer(), "CountryCode": text(),
        "Version": text(), "GPU": texts(),
    }));
    detailed["status"] = object(json!({
        "CPU": number(), "MemUsed": integer(), "SwapUsed": integer(), "DiskUsed": integer(), "NetInTransfer": integer(),
        "NetOutTransfer": integer(), "NetInSpeed": integer(), "NetOutSpeed": integer(), "Uptime": integer(),
        "Load1": number(), "Load5": number(), "Load15": number(), "TcpConnCount": integer(), "UdpConnCount": integer(),
        "ProcessCount": integer(), "Temperatures": {"type": ["array", "null"]}, "GPU": number(),
    }));
    let mut series = object(json!({
        "tag": text(), "metric": text(), "unit": text(), "agg": text(), "tier": text(), "step": number(),
        "times": list(number()), "values": list(maybe_number()),
    }));
    for (only_servers, only_groups) in [("id", "total"), ("name", "servers")] {
        series["properties"][only_servers] = if only_servers == "id" { integer() } else { text() };
        series["properties"][only_groups] = if only_groups == "total" { text() } else { list(integer()) };
    }
    let change = json!({
        "time": number(), "boot_time": integer(), "mem_total": integer(), "disk_total": integer(), "swap_total": integer(),
        "agent_version": text(), "platform": text(), "platform_version": text(), "arch": text(), "virtualization": text(),
        "address": text(), "country": text(), "cpu": list(text()), "gpu": list(text()),
    });
    json!({
        "Text": text(),
        "OpenApi": {"type": "object"},
        "Error": object(json!({"code": integer(), "message": text()})),
        "Refused": {"anyOf": [
            object(json!({"code": {"const": 403}, "message": text()})),
            object(json!({"success": {"const": false}, "error": text()})),
        ]},
        "Register": {"type": "object"},
        "Registered": {"anyOf": [
            object(json!({"code": {"const": 200}, "message": text(), "secret": text(), "id": integer()})),
            text(),
        ]},
        "ServerList": envelope(list(object(server))),
        "ServerDetails": envelope(list(object(detailed))),
        "History": object(json!({
            "code": {"const": 0}, "message": text(), "from": number(), "to": number(), "tier": text(), "step": number(),
            "notes": list(text()), "result": list(series),
        })),
        "Top": object(json!({
            "code": {"const": 0}, "message": text(), "metric": text(), "unit": text(),
            "result": list(object(json!({
                "id": integer(), "name": text(), "tag": text(), "last_active": integer(), "value": number(),
            }))),
        })),
        "Uptime": envelope(list(object(json!({
            "id": integer(), "name": text(), "tag": text(), "from": number(), "to": number(), "minutes": integer(),
            "up_minutes": integer(), "availability": maybe_number(), "outages": integer(),
            "longest_outage_minutes": integer(), "reports": integer(),
        })))),
        "Facts": envelope(list(object(json!({
            "id": integer(), "name": text(), "tag": text(), "changes": list(object(change)),
        })))),
        "V2Metrics": object(json!({
            "success": {"const": true},
            "data": object(json!({
                "server_id": integer(), "server_name": text(), "metric": text(),
                "data_points": list(object(json!({"ts": integer(), "value": number()}))),
            })),
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described_and_every_reference_leads_somewhere() {
        let document: Value = serde_json::from_slice(&document()).expect("JSON");
        for operation in &OPERATIONS {
            let method = if operation.allow == "POST" { "post" } else { "get" };
            let described = &document["paths"][operation.path][method];
            assert_eq!(described["parameters"].as_array().map(Vec::len), Some(operation.parameters.len()));
            assert!(document["components"]["schemas"][operation.answer].is_object(), "{}", operation.answer);
        }
    }
}
