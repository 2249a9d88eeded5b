//! How scripts decode and encode text.

use bytes::Bytes;
use http::Request;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{Scenario, request};

async fn told(source: &str, request: Request<Bytes>) -> String {
    let folder = Folder::new();
    folder.script("w", source, "");
    let scenario = Scenario::of(&folder, &["w"]).await;
    let answer = scenario.send("w", request).await;
    assert_eq!(answer.status, Some(200), "{:?}", scenario.json());
    answer.text()
}

fn get() -> Request<Bytes> {
    request("/", Bytes::new())
}

/// Sequences that are no UTF-8, with what they are read as: a U+FFFD for each
/// maximal part of a character, or for a byte that is none.
const BAD: &[(&[u8], &str)] = &[
    (b"caf\xe9", "caf\u{fffd}"),
    (b"c\xe9fgh", "c\u{fffd}fgh"),
    (b"\xff\xfeA", "\u{fffd}\u{fffd}A"),
    (b"A\x80B", "A\u{fffd}B"),
    (b"\xef\xbb\xbfA", "A"),
    (b"\xef\xbb\xbf\xef\xbb\xbfA", "\u{feff}A"),
    (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
    (b"\xf4\x80\x80A", "\u{fffd}A"),
    (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
    (b"\xe2\x98A", "\u{fffd}A"),
    (b"\xf0\x9f\x8e\x89", "\u{1f389}"),
    (b"", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_decoded_alike_wherever_they_are() {
    let bytes: Vec<_> = BAD.iter().map(|(bytes, _)| bytes).collect();
    let source = format!(
        "const all = {}.map((bytes) => new Uint8Array(bytes));
         const stream = (bytes) => new ReadableStream({{ start(controller) {{
           for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
           controller.close();
         }} }});
         const ways = {{
           response: (bytes) => new Response(bytes).text(),
           stream: (bytes) => new Response(stream(bytes)).text(),
           request: (bytes) => new Request('http://x/', {{ method: 'POST', body: bytes }}).text(),
           blob: (bytes) => new Blob([bytes]).text(),
           clone: (bytes) => new Response(bytes).clone().text(),
           decoder: (bytes) => new TextDecoder().decode(bytes),
           pieces: (bytes) => {{
             const decoder = new TextDecoder();
             return [...bytes].map((byte) => decoder.decode(new Uint8Array([byte]), {{ stream: true }})).join('') + decoder.decode();
           }},
           decoding: async (bytes) => {{
             let text = '';
             for await (const part of stream(bytes).pipeThrough(new TextDecoderStream())) text += part;
             return text;
           }},
         }};
         export default {{ async fetch() {{
           const told = {{}};
           for (const way in ways) told[way] = await Promise.all(all.map(ways[way]));
           return Response.json(told);
         }} }};",
        serde_json::to_string(&bytes).unwrap()
    );
    let expected: Vec<_> = BAD.iter().map(|(_, text)| *text).collect();
    let told: serde_json::Value = serde_json::from_str(&told(&source, get()).await).unwrap();
    let ways = told.as_object().unwrap();
    assert_eq!(ways.len(), 8);
    for (way, texts) in ways {
        assert_eq!(*texts, serde_json::json!(expected), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_may_have_bad_bytes_and_a_byte_order_mark() {
    let source =
        "export default { async fetch(request) { return new Response(await request.json()); } };";
    let body = Bytes::from_static(b"\xef\xbb\xbf\"caf\xe9\"");
    let request = Request::post("http://localhost/").body(body).unwrap();
    assert_eq!(told(source, request).await, "caf\u{fffd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_decoded_in_one_go() {
    let source = "export default { async fetch() {
      const bytes = new Uint8Array(16 << 20).fill(0x61);
      bytes[bytes.length - 1] = 0xff;
      const text = await new Response(bytes).text();
      return new Response(text.length + text.slice(-2));
    } };";
    assert_eq!(told(source, get()).await, "16777216a\u{fffd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn decoders_know_encodings_of_old() {
    let source = "export default { fetch() {
      const read = (label, ...bytes) => { const decoder = new TextDecoder(label); return decoder.encoding + ' ' + decoder.decode(new Uint8Array(bytes)); };
      const refused = (make) => { try { return make(); } catch (error) { return error.name; } };
      return Response.json([
        read('latin1', 0xe9, 0x80), read('shift_jis', 0x82, 0xa0), read('utf-16le', 0x41, 0), read('gbk', 0xc4, 0xe3), read('koi8-r', 0xc1), read(' UTF8 ', 0xc3, 0xa9),
        refused(() => new TextDecoder('none')),
        refused(() => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff]))),
        new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf])),
      ]);
    } };";
    assert_eq!(
        told(source, get()).await,
        "[\"windows-1252 é€\",\"shift_jis あ\",\"utf-16le A\",\"gbk 你\",\"koi8-r а\",\"utf-8 é\",\"RangeError\",\"TypeError\",\"\u{feff}\"]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_text_are_encoded_and_decoded() {
    let source = "export default { async fetch() {
      const stream = (...chunks) => new ReadableStream({ start(controller) { for (const chunk of chunks) controller.enqueue(chunk); controller.close(); } });
      const all = async (stream) => { const chunks = []; for await (const chunk of stream) chunks.push(typeof chunk === 'string' ? chunk : [...chunk]); return chunks; };
      const failed = (promise) => promise.catch((error) => error.name + ': ' + error.message);
      const decoder = new TextDecoderStream('latin1', { fatal: true });
      return Response.json([
        await all(stream('a\\ud83c', '\\udf89', 3, '\\ud83c').pipeThrough(new TextEncoderStream())),
        await all(stream(new Uint8Array([0xe9])).pipeThrough(decoder)),
        [decoder.encoding, decoder.fatal, decoder.ignoreBOM, new TextEncoderStream().encoding],
        await failed(all(stream('x').pipeThrough(new TextDecoderStream()))),
        await failed(all(stream(new Uint8Array([0xff])).pipeThrough(new TextDecoderStream('utf-8', { fatal: true })))).then((text) => text.split(':')[0]),
      ]);
    } };";
    assert_eq!(
        told(source, get()).await,
        "[[[97],[240,159,142,137],[51],[239,191,189]],[\"é\"],[\"windows-1252\",true,false,\"utf-8\"],\"TypeError: This TransformStream is being used as a byte stream, but received a value that is not a BufferSource.\",\"TypeError\"]"
    );
}
