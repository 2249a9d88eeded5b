//! KV namespaces and Analytics Engine.

use taffrail_tests::folder::Folder;
use taffrail_tests::process::Server;
use taffrail_tests::scenario::{Scenario, invoke, refused};

const KV: &str = "kv_namespaces = [{ binding = \"KV\", id = \"abc\" }]";

/// A Worker that answers with what `body` says, a line each; what it throws is
/// said, too.
fn saying(body: &str, more: &str) -> Folder {
    let source = format!(
        "export default {{ async fetch(request, env) {{ const lines = [];
const say = async (make) => {{ try {{ lines.push(JSON.stringify(await make())); }} catch (error) {{ lines.push(error.name + ': ' + error.message); }} }};
{body}
return new Response(lines.join('\\n')); }} }};"
    );
    let folder = Folder::new();
    folder.script("w", &source, more);
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_as_they_are_asked_for() {
    let folder = saying(
        "await env.KV.put('text', 'grün', { metadata: { by: 'ü' } });
         await env.KV.put('json', JSON.stringify({ a: 1 }));
         await env.KV.put('bytes', new Uint8Array([1, 2]));
         await say(() => env.KV.get('text'));
         await say(() => env.KV.getWithMetadata('text').then(({ metadata }) => metadata));
         await say(() => env.KV.get('json', 'json'));
         await say(async () => [...new Uint8Array(await env.KV.get('bytes', { type: 'arrayBuffer' }))]);
         await say(async () => new Response(await env.KV.get('text', 'stream')).text());
         await say(() => env.KV.get('nothing'));
         await env.KV.delete('text');
         await say(() => env.KV.get('text'));",
        KV,
    );
    let (answer, _) = invoke(&folder, &["w"]).await;
    assert_eq!(
        answer.text(),
        "\"grün\"\n{\"by\":\"ü\"}\n{\"a\":1}\n[1,2]\n\"grün\"\nnull\nnull"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_goes_on_at_its_cursor() {
    let folder = saying(
        "for (const key of ['a', 'b/1', 'b/2', 'b/3', 'c']) await env.KV.put(key, key);
         let cursor;
         do {
           const listing = await env.KV.list({ prefix: 'b/', limit: 2, cursor });
           await say(() => [listing.keys.map(({ name }) => name), listing.list_complete]);
           cursor = listing.cursor;
         } while (cursor);",
        KV,
    );
    let (answer, _) = invoke(&folder, &["w"]).await;
    assert_eq!(answer.text(), "[[\"b/1\",\"b/2\"],false]\n[[\"b/3\"],true]");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_errors_that_name_them() {
    let folder = saying(
        "await say(() => env.KV.put('k'.repeat(513), ''));
         await say(() => env.KV.put('big', new Uint8Array((25 << 20) + 1)));
         await say(() => env.KV.put('m', '', { metadata: 'm'.repeat(1024) }));
         await say(() => env.KV.put('soon', '', { expirationTtl: 59 }).catch((error) => error.message.replace(/\\d{10}/, 'NOW')));
         await say(() => env.KV.get(''));
         await say(() => env.KV.put('number', 5));
         await say(() => env.KV.list({ limit: 1001 }));",
        KV,
    );
    let (answer, _) = invoke(&folder, &["w"]).await;
    assert_eq!(
        answer.text(),
        "Error: KV PUT failed: 414 UTF-8 encoded length of 513 exceeds key length limit of 512.
Error: KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400.
Error: KV PUT failed: 413 Metadata length of 1026 exceeds limit of 1024.
\"KV PUT failed: 400 Invalid expiration of NOW. Expiration times must be at least 60 seconds in the future.\"
Error: KV GET failed: 400 Key name cannot be empty.
TypeError: KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.
Error: KV GET failed: 400 Invalid key_count_limit of 1001. Please specify an integer from 1 to 1000.");
}

#[test]
fn what_was_put_before_a_kill_is_there_after_it() {
    let folder = saying(
        "const name = new URL(request.url).pathname;
         if (name === '/put') await env.KV.put('key', 'value');
         await say(() => env.KV.get('key'));",
        KV,
    );
    let server = Server::spawn(folder.taffrail(&["serve", "w", "--port", "0"]));
    assert_eq!(server.get("/put").body, "\"value\"");
    server.signal("KILL");
    _ = server.finish();
    let server = Server::spawn(folder.taffrail(&["serve", "w", "--port", "0"]));
    assert_eq!(server.get("/").body, "\"value\"");
    _ = server.terminate();
}

#[test]
fn a_data_point_is_a_row_and_its_limits_are_errors() {
    let folder = saying(
        "await say(() => env.AE.writeDataPoint({ blobs: ['a', 'b'], doubles: [1.5], indexes: ['i'] }) ?? null);
         await say(() => env.AE.writeDataPoint({ blobs: Array(21).fill('') }));
         await say(() => env.AE.writeDataPoint({ doubles: Array(21).fill(0) }));
         await say(() => env.AE.writeDataPoint({ indexes: ['a', 'b'] }));
         await say(() => env.AE.writeDataPoint({ indexes: ['x'.repeat(97)] }));
         await say(() => env.AE.writeDataPoint({ blobs: ['x'.repeat(16385)] }));
         for (let n = 0; n < 249; n++) env.AE.writeDataPoint({});
         await say(() => env.AE.writeDataPoint({}));",
        "analytics_engine_datasets = [{ binding = \"AE\", dataset = \"visits\" }]",
    );
    // A process keeps what its Workers store.
    let finished = folder.run(&["invoke", "w"]);
    assert_eq!(
        finished.stdout,
        "null
TypeError: writeDataPoint(): Maximum of 20 blobs supported.
TypeError: writeDataPoint(): Maximum of 20 doubles supported.
TypeError: writeDataPoint(): Maximum of 1 indexes supported.
TypeError: writeDataPoint(): The index has 97 bytes, more than 96.
TypeError: writeDataPoint(): The blobs have 16385 bytes, more than 16384.
TypeError: writeDataPoint(): Maximum of 250 data points for one invocation."
    );
    let database = rusqlite::Connection::open(folder.path().join("w/.taffrail/store.sqlite"));
    let row: (String, String, String, f64) = database
        .unwrap()
        .query_row(
            "SELECT dataset, index1, blob2, double1 FROM analytics ORDER BY timestamp, rowid",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!(row, ("visits".into(), "i".into(), "b".into(), 1.5));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bindings_of_one_name_are_an_error_at_the_start() {
    let folder = saying("", &format!("{KV}\nvars = {{ KV = \"x\" }}"));
    let error = refused(&folder, &["w"]).await;
    assert!(error.contains(
        "`kv_namespaces` has the binding `KV`, which is the name of another binding or var"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_has_the_same_namespaces_and_datasets() {
    let folder = Folder::new();
    let datasets = "analytics_engine_datasets = [{ binding = \"AE\" }]";
    folder.worker("probe", "probe", &format!("{KV}\n{datasets}"));
    let scenario = Scenario::of(&folder, &["probe"]).await;
    for (path, said) in [
        (
            "keep?KV",
            "false value [\"key\", \"other\"] false Error::Other(\"UTF-8 encoded length of 513 exceeds key length limit of 512.\")",
        ),
        ("open?KV", "opened"),
        ("open?AE", "Error::NoSuchStore"),
        (
            "point?AE",
            "writeDataPoint(): Maximum of 20 blobs supported.",
        ),
        ("point?KV", "there is no dataset `KV`"),
    ] {
        let answer = scenario.get("probe", &format!("/binding/{path}")).await;
        assert_eq!(answer.text(), said);
    }
}
