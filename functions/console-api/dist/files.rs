//! The built files of the pages. Made by `build.mjs`, which is in `../web`: do not edit it.

use crate::pages::BuiltFile;

/// The page, compressed.
pub(crate) const INDEX: &[u8] = include_bytes!("index.html.gz");

/// All other files.
pub(crate) const FILES: &[BuiltFile] = &[
    BuiltFile {
        name: "channels-YBISJA6X.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("channels-YBISJA6X.js.gz"),
    },
    BuiltFile {
        name: "chunk-2THIKNRP.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-2THIKNRP.js.gz"),
    },
    BuiltFile {
        name: "chunk-43E6K2WM.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-43E6K2WM.js.gz"),
    },
    BuiltFile {
        name: "chunk-7YNQJ4UP.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-7YNQJ4UP.js.gz"),
    },
    BuiltFile {
        name: "chunk-B77MW3GH.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-B77MW3GH.js.gz"),
    },
    BuiltFile {
        name: "chunk-EKPWW3CC.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-EKPWW3CC.js.gz"),
    },
    BuiltFile {
        name: "chunk-EQ3BQWZD.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-EQ3BQWZD.js.gz"),
    },
    BuiltFile {
        name: "chunk-JGSIBUXS.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-JGSIBUXS.js.gz"),
    },
    BuiltFile {
        name: "chunk-RIWOMHYP.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-RIWOMHYP.js.gz"),
    },
    BuiltFile {
        name: "deadletters-23TPHBWI.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("deadletters-23TPHBWI.js.gz"),
    },
    BuiltFile {
        name: "icon-BHLHY764.svg",
        content_type: "image/svg+xml",
        gzip: include_bytes!("icon-BHLHY764.svg.gz"),
    },
    BuiltFile {
        name: "inbox-E2A4SUTI.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("inbox-E2A4SUTI.js.gz"),
    },
    BuiltFile {
        name: "items-ASE3PWZT.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("items-ASE3PWZT.js.gz"),
    },
    BuiltFile {
        name: "main-JONYLQAQ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("main-JONYLQAQ.js.gz"),
    },
    BuiltFile {
        name: "messages-33VQNY2E.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("messages-33VQNY2E.js.gz"),
    },
    BuiltFile {
        name: "overview-435KTR6V.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("overview-435KTR6V.js.gz"),
    },
    BuiltFile {
        name: "settings-7BX5U554.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("settings-7BX5U554.js.gz"),
    },
    BuiltFile {
        name: "sources-7TV5GW7G.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("sources-7TV5GW7G.js.gz"),
    },
    BuiltFile {
        name: "style-E7CKLOSO.css",
        content_type: "text/css; charset=utf-8",
        gzip: include_bytes!("style-E7CKLOSO.css.gz"),
    },
    BuiltFile {
        name: "uPlot.esm-ULJJVTMH.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("uPlot.esm-ULJJVTMH.js.gz"),
    },
    BuiltFile {
        name: "usage-PFVFAM7G.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("usage-PFVFAM7G.js.gz"),
    },
];
