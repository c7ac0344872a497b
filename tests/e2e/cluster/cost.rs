//! The data of `benches/cluster.sh`, which measures what reading a cluster costs. Ignored by default.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use restate_sdk::prelude::*;
use serde_json::json;

use crate::server::Server;
use crate::support::rust_services as services;

/// A handler that writes 13 entries or more and then stays suspended, as invocations in flight do.
struct Bench;

#[object]
impl Bench {
    #[handler]
    async fn work(&self, ctx: ObjectContext<'_>, item: String) -> HandlerResult<()> {
        for step in 0..8 {
            ctx.set(&format!("step-{step}"), format!("{item}, as it was at step {step} of the way to what it will be"));
        }
        let price = ctx.run(|| async { Ok(1250u64) }).name("price").await?;
        ctx.set("price", price);
        ctx.awakeable::<String>().1.await?;
        Ok(())
    }
}

fn number(name: &str, fallback: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(fallback)
}

fn start() -> Server {
    let folder: PathBuf = std::env::var_os("REHEARSE_COST_DATA").expect("REHEARSE_COST_DATA names a directory").into();
    Server::start_in("cluster", &folder, &[]).expect("there is npm")
}

/// Adds REHEARSE_COST_INVOCATIONS suspended invocations to the server's data.
#[test]
#[ignore = "prepares data for benches/cluster.sh"]
fn fill() {
    let server = Arc::new(start());
    let wanted = number("REHEARSE_COST_INVOCATIONS", 5000);
    let count = "select count(1) as n from sys_journal where entry_type = 'Command: SetState' and index > 9";
    let before = server.query(count)[0]["n"].as_u64().unwrap();
    server.register(&services::serve_endpoint(|| Endpoint::builder().bind(Bench).build()));
    server.block_on(async {
        let mut sending = stream::iter(0..wanted)
            .map(|at| {
                let server = Arc::clone(&server);
                async move {
                    let key = format!("{}-{at}", before);
                    server.sending(&["Bench", &key, "work"], &json!(format!("order {at}"))).await.unwrap();
                }
            })
            .buffer_unordered(128);
        while sending.next().await.is_some() {}
    });
    server.until("all are suspended", || {
        let now = server.query(count)[0]["n"].as_u64().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        (now >= before + wanted).then_some(())
    });
    std::thread::sleep(std::time::Duration::from_secs(2));
    eprintln!("{} invocations", before + wanted);
}
