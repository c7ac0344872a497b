//! What `rehearse` claims of its speed, each figure beside its peer or limit. See README.md.

mod comparison;
mod generate;
mod machine;
mod timing;

// As in `rehearse` itself; the peers get it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let wanted = |section: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == section);
    let mut table = timing::Table::default();
    if wanted("comparison") {
        comparison::run(&mut table);
    }
    table.print();
}
