//! Templates.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use serde_json::{Value, to_value};

use super::extract::{Asked, Body, Path, Token};
use super::types::{Draft, OneTemplate, Page, Preview, PreviewFor, TemplateContent, TemplatePage};
use super::{failed, no_template};
use crate::serve::AppState;
use crate::serve::problem::Problem;

/// Lists templates by slug
#[utoipa::path(
    get, path = "/api/templates", tag = "templates", operation_id = "list_templates", params(Page),
    responses((status = 200, description = "A page of templates, without their content.", body = TemplatePage)))]
pub async fn list(
    State(state): State<AppState>,
    Token(token): Token,
    Asked(page): Asked<Page>,
) -> Result<Json<TemplatePage>, Problem> {
    let templates = state.api.templates(&token, page.get()).await;
    templates.map(Json).map_err(failed)
}

/// Keeps a new template
#[utoipa::path(
    post, path = "/api/templates", tag = "templates", operation_id = "create_template", request_body = TemplateContent,
    responses(
        (status = 201, description = "It is kept.", body = OneTemplate, headers(("Location" = String, description = "Of the template."))),
        (status = 409, description = "There is one with this slug.", body = Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(state): State<AppState>,
    Token(token): Token,
    Body(content): Body<TemplateContent>,
) -> Result<impl IntoResponse, Problem> {
    let content = to_value(&content).map_err(|error| failed(error.into()))?;
    let created = state.api.create_template(&token, &content).await;
    let created: OneTemplate = created.map_err(failed)?;
    let location = format!("/api/templates/{}", created.template.slug);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(created)))
}

/// Tells a template with its content
#[utoipa::path(
    get, path = "/api/templates/{template}", tag = "templates", operation_id = "get_template",
    params(("template" = String, Path, description = "Slug or id.")),
    responses((status = 200, description = "The template.", body = OneTemplate)))]
pub async fn get(
    State(state): State<AppState>,
    Token(token): Token,
    Path(template): Path<String>,
) -> Result<Json<OneTemplate>, Problem> {
    let template = state.api.template(&token, &template).await;
    template.map(Json).map_err(no_template)
}

/// Replaces a template; campaigns that were started keep what they have
#[utoipa::path(
    put, path = "/api/templates/{template}", tag = "templates", operation_id = "update_template", request_body = TemplateContent,
    params(("template" = String, Path, description = "Slug or id.")),
    responses(
        (status = 200, description = "As it is now.", body = OneTemplate),
        (status = 409, description = "Another one has this slug.", body = Problem, content_type = "application/problem+json")))]
pub async fn update(
    State(state): State<AppState>,
    Token(token): Token,
    Path(template): Path<String>,
    Body(content): Body<TemplateContent>,
) -> Result<Json<OneTemplate>, Problem> {
    let content = to_value(&content).map_err(|error| failed(error.into()))?;
    let updated = state.api.update_template(&token, &template, &content).await;
    updated.map(Json).map_err(no_template)
}

/// Shows the mail that a recipient would get
#[utoipa::path(
    post, path = "/api/templates/{template}/preview", tag = "templates", operation_id = "preview_template", request_body = PreviewFor,
    params(("template" = String, Path, description = "Slug or id.")),
    responses((status = 200, description = "The mail, made by the code that sends it.", body = Preview)))]
pub async fn preview(
    State(state): State<AppState>,
    Token(token): Token,
    Path(template): Path<String>,
    Body(recipient): Body<PreviewFor>,
) -> Result<Json<Preview>, Problem> {
    let vars = recipient.vars.map(Value::Object);
    let email = recipient.email.as_deref();
    let preview = state.api.preview(&token, &template, email, vars.as_ref());
    preview.await.map(Json).map_err(no_template)
}

/// Shows the mail that a recipient would get of a template that is not kept, to those who may keep it
#[utoipa::path(
    post, path = "/api/preview", tag = "templates", operation_id = "preview_draft", request_body = Draft,
    responses((status = 200, description = "The mail, made by the code that sends it.", body = Preview)))]
pub async fn preview_draft(
    State(state): State<AppState>,
    Token(token): Token,
    Body(draft): Body<Draft>,
) -> Result<Json<Preview>, Problem> {
    let draft = to_value(&draft).map_err(|error| failed(error.into()))?;
    let preview = state.api.preview_draft(&token, &draft).await;
    preview.map(Json).map_err(failed)
}
