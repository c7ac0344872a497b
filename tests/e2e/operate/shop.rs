//! Services that get stuck for three causes, and their fixes. The code of a deployment can be changed while it runs, as a
//! deploy in place does.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use restate_sdk::prelude::*;
use serde_json::{Value, json};

use crate::support::rust_services::serve_endpoint;

/// The flaws of a deployment's code.
#[derive(Clone)]
pub struct Code(Arc<RwLock<Vec<&'static str>>>);

impl Code {
    pub fn new(flaws: &[&'static str]) -> Self {
        Self(Arc::new(RwLock::new(flaws.to_vec())))
    }

    pub fn set(&self, flaws: &[&'static str]) {
        *self.0.write().unwrap() = flaws.to_vec();
    }

    fn has(&self, flaw: &str) -> bool {
        self.0.read().unwrap().contains(&flaw)
    }
}

/// Serves the code; the address it listens on.
pub fn serve(code: &Code) -> String {
    let code = code.clone();
    serve_endpoint(move || {
        let bill = ServiceOptions::new()
            .handler("settle", twice().retry_policy_pause_on_max_attempts())
            .handler("close", twice().retry_policy_max_attempts(1).retry_policy_kill_on_max_attempts());
        Endpoint::builder().bind(Order(code.clone())).bind(Bill(code).into_service_definition().options(bill)).build()
    })
}

fn twice() -> HandlerOptions {
    HandlerOptions::new().retry_policy_initial_interval(Duration::from_millis(200)).retry_policy_max_attempts(2)
}

/// `ctx.run`, with a result, or a failure that is retried.
macro_rules! run {
    ($ctx:expr, $name:expr, $result:expr) => {{
        let result: HandlerResult<Value> = $result;
        $ctx.run(move || async move { result.map(Json) }).name($name).await?.into_inner()
    }};
}

fn failure(message: String) -> HandlerResult<Value> {
    Err(std::io::Error::other(message).into())
}

fn delay(request: &Value) -> Duration {
    Duration::from_millis(request["delay"].as_u64().unwrap_or(0))
}

struct Order(Code);

#[object]
impl Order {
    /// Stuck in its last run.
    #[handler]
    async fn process(&self, mut ctx: ObjectContext<'_>, request: Json<Value>) -> HandlerResult<Json<Value>> {
        ctx.set("n", Json(request.0["n"].clone()));
        let price = run!(ctx, "price", Ok(json!(12)));
        let name = if self.0.has("charge-v2") { "charge-v2" } else { "charge" };
        let charged = if self.0.has("declined") {
            failure(format!("card {} declined: no answer from 'bank {}'", request.0["n"], ctx.rand_uuid()))
        } else {
            Ok(json!(true))
        };
        run!(ctx, name, charged);
        Ok(Json(price))
    }

    /// Sleeps while its code is changed.
    #[handler]
    async fn ship(&self, ctx: ObjectContext<'_>, request: Json<Value>) -> HandlerResult<Json<Value>> {
        ctx.set("to", Json(request.0["n"].clone()));
        run!(ctx, if self.0.has("label-v2") { "label-v2" } else { "label" }, Ok(json!("A4")));
        ctx.sleep(delay(&request.0)).await?;
        Ok(Json(run!(ctx, "carrier", Ok(json!("bike")))))
    }

    /// Stays in flight, with nothing wrong.
    #[handler]
    async fn wait(&self, ctx: ObjectContext<'_>, _request: Json<Value>) -> HandlerResult<Json<Value>> {
        ctx.set("waiting", Json(true));
        let (_, answer) = ctx.awakeable::<Json<Value>>();
        Ok(answer.await?)
    }
}

struct Bill(Code);

#[object]
impl Bill {
    /// Paused after two attempts.
    #[handler]
    async fn settle(&self, ctx: ObjectContext<'_>, request: Json<Value>) -> HandlerResult<Json<Value>> {
        let amount = request.0["n"].as_u64().unwrap_or(0);
        run!(ctx, "rate", Ok(json!(1)));
        let in_cents =
            (self.0.has("cents-from-100") && amount >= 100) || (self.0.has("cents-from-200") && amount >= 200);
        ctx.set("amount", Json(if in_cents { amount * 100 } else { amount }));
        let booked = if self.0.has("ledger-down") {
            failure(format!("ledger shard {} is down", amount % 7))
        } else {
            Ok(json!("booked"))
        };
        Ok(Json(run!(ctx, "book", booked)))
    }

    /// Fails for good at its first failure.
    #[handler]
    async fn close(&self, ctx: ObjectContext<'_>, request: Json<Value>) -> HandlerResult<Json<Value>> {
        run!(ctx, "open", Ok(json!(1)));
        run!(ctx, if self.0.has("sum-v2") { "sum-v2" } else { "sum" }, Ok(json!(2)));
        ctx.sleep(delay(&request.0)).await?;
        Ok(Json(run!(ctx, "archive", Ok(json!(3)))))
    }
}
