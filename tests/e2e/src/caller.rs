use serde_json::Value;

use crate::{Answer, Db, Server};

/// The media type of problem details (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// A server whose rate no test uses up.
pub const FAST: [&str; 2] = ["--rate", "10000"];

/// Somebody with a token.
pub struct Caller<'a> {
    pub server: &'a Server,
    pub token: String,
}

impl<'a> Caller<'a> {
    /// With a new token of this role.
    pub async fn new(db: &Db, server: &'a Server, role: &str) -> Caller<'a> {
        let create = "select token from campaign.create_api_token($1, $2)";
        let name = format!("{role} of the test");
        let token = db.one(create, &[&name, &role]).await;
        Caller { server, token }
    }

    pub async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", bearer.as_str())];
        let body = body.map(|body| body.to_string());
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.unwrap_or_default();
        self.server.request(method, target, &headers, &body).await
    }

    /// What a route answers with this status.
    pub async fn ask(&self, method: &str, target: &str, body: Option<Value>, status: u16) -> Value {
        let answer = self.send(method, target, body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{method} {target}: {text}");
        if status == 204 {
            return Value::Null;
        }
        let kind = answer.header("content-type").unwrap();
        let expected = if status < 400 {
            "application/json"
        } else {
            PROBLEM
        };
        assert_eq!(kind, expected, "{method} {target}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn get(&self, target: &str) -> Value {
        self.ask("GET", target, None, 200).await
    }

    pub async fn post(&self, target: &str, body: Value, status: u16) -> Value {
        self.ask("POST", target, Some(body), status).await
    }

    /// The SQLSTATE of a problem, which says all that it should.
    pub async fn refused(
        &self,
        method: &str,
        target: &str,
        body: Option<Value>,
        status: u16,
    ) -> String {
        let problem = self.ask(method, target, body, status).await;
        assert_problem(&problem, status);
        problem["sqlstate"].as_str().unwrap_or_default().to_owned()
    }
}

/// It has this status, and says all that it should.
pub fn assert_problem(problem: &Value, status: u16) {
    assert_eq!(problem["status"], status, "{problem}");
    for field in ["type", "title", "detail", "hint"] {
        assert!(
            problem[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}: {problem}"
        );
    }
}
