//! Reading a running cluster: the admin API, and recordings of a real Restate server's journals.

mod cost;
mod faults;
mod faulty_proxy;
mod record;

use rehearsal::admin::{Access, Admin, AdminError, quoted};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::rust_services as services;

#[test]
fn the_admin_api_is_spoken() {
    let Some(server) = Server::start("cluster") else { return };
    let deployment = server.register(&services::serve("base"));
    let admin = server.block_on(Admin::connect(&server.url(), Access::default())).unwrap();

    let deployments = server.block_on(admin.deployments()).unwrap();
    assert_eq!(deployments[0].id, deployment);
    assert!(deployments[0].services.iter().any(|service| service.name == "Order"));
    let services = server.block_on(admin.services()).unwrap();
    assert!(services.iter().all(|service| service.deployment_id == deployment));

    let key = "'; drop table x; --\n\"\\ 🙂";
    let id = server.send(&["Order", key, "process"], &json!({"item": "book", "qty": 2}));
    let sql = format!("select id, target_service_key from sys_invocation where target_service_key = {}", quoted(key));
    let found = server.until("the invocation is there", || {
        let found: Vec<Value> = server.block_on(admin.query_json(&sql)).unwrap();
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(found, [json!({"id": id, "target_service_key": key})]);

    let refused = server.block_on(admin.query_json::<Value>("select nope from sys_journal")).unwrap_err();
    assert!(matches!(&refused, AdminError::Query { message } if message.contains("No field named nope")), "{refused}");
    let gone = server.block_on(admin.patch(&["invocations", &id, "resume"]).with("deployment", "dp_nope").send());
    assert!(gone.unwrap_err().status().is_some_and(|status| status.is_client_error()));
}

#[test]
fn a_server_that_comes_back_is_waited_for() {
    let Some(mut server) = Server::start("cluster") else { return };
    let deployment = server.register(&services::serve("base"));
    server.kill();
    let nobody = server.block_on(Admin::connect(&server.url(), Access::default())).unwrap_err();
    assert!(matches!(nobody, AdminError::Unreachable { .. }), "{nobody}");
    let admin = server.admin.clone();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { admin.deployments().await.map(|deployments| deployments[0].id.clone()) })
        });
        server.restart();
        assert_eq!(waiting.join().unwrap().unwrap(), deployment);
    });
}
