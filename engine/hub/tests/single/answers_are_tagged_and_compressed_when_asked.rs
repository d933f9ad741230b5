//! ETag and 304, gzip and zstd, HEAD, redirects and unknown paths, as a client sees them.

use std::io::Read;

use crate::hub::new_hub;

#[test]
fn answers_are_tagged_and_compressed_when_asked() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(50, "fleet");
    let token = hub.make_token();
    hub.start();
    let ask = |method: &str, path: &str, more: &[(&str, &str)]| {
        let headers = [&[("Authorization", token.as_str())], more].concat();
        hub.request(method, path, &headers, b"").expect("an answer")
    };
    let plain = ask("GET", "/api/v1/server/list", &[]);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.header("content-length"), Some(plain.body.len().to_string().as_str()));

    let gzip = ask("GET", "/api/v1/server/list", &[("Accept-Encoding", "gzip")]);
    assert_eq!((gzip.header("content-encoding"), gzip.header("vary")), (Some("gzip"), Some("Accept-Encoding")));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body);
    let zstd = ask("GET", "/api/v1/server/list", &[("Accept-Encoding", "gzip, zstd")]);
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    assert_eq!(zstd::decode_all(&zstd.body[..]).expect("zstd"), plain.body);

    let tag = plain.header("etag").expect("a tag");
    assert_eq!(gzip.header("etag"), Some(tag));
    let unchanged = ask("GET", "/api/v1/server/list", &[("If-None-Match", tag)]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert!(hub.cli(&["server", "edit", "1", "--name", "other"]).status.success());
    assert_eq!(ask("GET", "/api/v1/server/list", &[("If-None-Match", tag)]).status, 200);

    let head = ask("HEAD", "/api/v1/server/details", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    let slash = ask("GET", "/api/v1/server/list/?tag=fleet", &[]);
    assert_eq!((slash.status, slash.header("location")), (301, Some("/api/v1/server/list?tag=fleet")));
    let wrong = ask("DELETE", "/api/v1/server/register", &[]);
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    assert_eq!(ask("GET", "/api/v1/Server/list", &[]).header("content-type"), Some("application/json; charset=utf-8"));
    let huge = vec![b'x'; 65 * 1024];
    let refused = hub.request("POST", "/api/v1/server/register", &[("Authorization", &token)], &huge);
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status == 413));
}
