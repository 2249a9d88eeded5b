//! The handlers of scripts, and what they may do and be.

use taffrail_tests::process::{Folder, run_recorded};

#[test]
fn modules_are_strict_and_classic_scripts_are_not() {
    let assign = "const o = Object.freeze({ a: 1 }); let told = 'ignored'; try { o.a = 2; } catch (error) { told = error.name; }";
    let folder = Folder::new();
    folder
        .script(
            "module",
            &format!("export default {{ fetch() {{ {assign} return new Response(told); }} }};"),
            "",
        )
        .script(
            "classic",
            &format!("addEventListener('fetch', (event) => {{ {assign} event.respondWith(new Response(told)); }});"),
            "",
        );
    let told = |worker: &str| run_recorded(folder.taffrail(&["invoke", worker])).0.stdout;
    assert_eq!(told("module"), "TypeError");
    assert_eq!(told("classic"), "ignored");
}
