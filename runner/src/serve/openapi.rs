//! The document of the API, made of the code.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::middleware::map_response;
use axum::response::Response;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_swagger_ui::SwaggerUi;

use super::problem::Problem;
use super::{AppState, api, health, track};

const TOKEN: &str = "token";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "pg_campaign",
        description = "E-mail campaigns that live in PostgreSQL. The token is looked up first; then each route is \
            one call of a database function, with the rights of the token's role: reader, operator or admin. Errors are problem details (RFC 9457) that carry the SQLSTATE.",
    ),
    servers((url = "/")),
    components(schemas(Problem)),
    tags(
        (name = "campaigns", description = "Start, watch and stop campaigns."),
        (name = "templates", description = "Mails to be personalised."),
        (name = "segments", description = "Audiences by name."),
        (name = "suppressions", description = "Addresses that get no mail."),
        (name = "integrations", description = "SMTP relays."),
        (name = "links in mails", description = "What readers open and click. Without a token of the API: each link has one of its own."),
    )
)]
struct Base;

/// What may come of a request whatever its route.
const ALWAYS: [(u16, &str); 6] = [
    (401, "There is no valid token."),
    (403, "The role of the token does not allow it."),
    (422, "A value cannot be what it is; sqlstate says more."),
    (
        429,
        "This client asks too often, or this token too much at once.",
    ),
    (503, "The database is not available, or busy."),
    (504, "It takes too long."),
];
/// … of one whose path names something.
const NAMED: [(u16, &str); 1] = [(404, "What the path names is not there.")];
/// … of one with a body.
const WITH_BODY: [(u16, &str); 4] = [
    (400, "The body is not JSON."),
    (408, "The body did not arrive in time."),
    (413, "The body is too large."),
    (415, "The body does not say that it is JSON."),
];

pub fn document() -> OpenApi {
    let mut document = Base::openapi();
    document.merge(api::documented().into_openapi());
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete(operation, path);
        }
    }
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(
        TOKEN,
        SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
    );
    document.merge(health::documented().into_openapi());
    document.merge(track::documented().into_openapi());
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
    ]
    .into_iter()
    .filter_map(Option::as_mut)
}

fn complete(operation: &mut Operation, path: &str) {
    operation.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    let named = NAMED.iter().filter(|_| path.contains('{'));
    let with_body = WITH_BODY
        .iter()
        .filter(|_| operation.request_body.is_some());
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    for (status, description) in ALWAYS.iter().chain(named).chain(with_body) {
        let response = ResponseBuilder::new()
            .description(*description)
            .content("application/problem+json", content.clone());
        operation
            .responses
            .responses
            .entry(status.to_string())
            .or_insert(RefOr::T(response.build()));
    }
}

/// The document, and pages that show it: for everybody, since they are the same everywhere.
pub fn routes() -> Router<AppState> {
    let pages = SwaggerUi::new("/api/docs").url("/api/openapi.json", document());
    Router::from(pages).layer(map_response(allow_own_scripts))
}

async fn allow_own_scripts(mut response: Response) -> Response {
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    );
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, to_value};

    use super::*;

    fn schemas() -> Value {
        to_value(document()).unwrap()["components"]["schemas"].take()
    }

    fn required(schema: &Value) -> Vec<&str> {
        let required = schema["required"].as_array().unwrap();
        required.iter().filter_map(Value::as_str).collect()
    }

    #[test]
    fn all_that_is_told_of_a_campaign_is_promised() {
        let schemas = schemas();
        let entry = required(&schemas["JobEntry"]);
        for field in [
            "id",
            "status",
            "total_contacts",
            "sent_count",
            "failed_count",
            "cursor",
            "started_at",
            "last_heartbeat",
            "eta_seconds",
        ] {
            assert!(entry.contains(&field), "{field}");
        }
        let own = &schemas["Job"]["allOf"][1];
        assert_eq!(required(own), ["errors"]);
        assert_eq!(own["properties"]["errors"]["type"], "array");
    }

    #[test]
    fn a_config_with_unknown_keys_is_none() {
        let config = &schemas()["CampaignConfig"];
        assert_eq!(config["additionalProperties"], false);
        assert_eq!(config["properties"]["chunk_size"]["maximum"], 10_000);
    }
}
