//! The built files of the pages. Made by `build.mjs`, which is in `../web`: do not edit it.

use crate::pages::BuiltFile;

/// The page, compressed.
pub(crate) const INDEX: &[u8] = include_bytes!("index.html.gz");

/// All other files.
pub(crate) const FILES: &[BuiltFile] = &[
    BuiltFile {
        name: "channels-XKMZQJ7J.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("channels-XKMZQJ7J.js.gz"),
    },
    BuiltFile {
        name: "chunk-5ILEME4G.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-5ILEME4G.js.gz"),
    },
    BuiltFile {
        name: "chunk-ANC2SLYW.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-ANC2SLYW.js.gz"),
    },
    BuiltFile {
        name: "chunk-E6F4VIV5.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-E6F4VIV5.js.gz"),
    },
    BuiltFile {
        name: "chunk-HAOOERTH.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-HAOOERTH.js.gz"),
    },
    BuiltFile {
        name: "chunk-QRLRAXQH.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-QRLRAXQH.js.gz"),
    },
    BuiltFile {
        name: "chunk-T3MX2L7J.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-T3MX2L7J.js.gz"),
    },
    BuiltFile {
        name: "chunk-VM23DMGR.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-VM23DMGR.js.gz"),
    },
    BuiltFile {
        name: "chunk-WTO7W4TN.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-WTO7W4TN.js.gz"),
    },
    BuiltFile {
        name: "deadletters-NSBLYQL5.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("deadletters-NSBLYQL5.js.gz"),
    },
    BuiltFile {
        name: "icon-BHLHY764.svg",
        content_type: "image/svg+xml",
        gzip: include_bytes!("icon-BHLHY764.svg.gz"),
    },
    BuiltFile {
        name: "inbox-Z6ASNSYK.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("inbox-Z6ASNSYK.js.gz"),
    },
    BuiltFile {
        name: "items-BCQMUG55.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("items-BCQMUG55.js.gz"),
    },
    BuiltFile {
        name: "main-VUL7LTIT.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("main-VUL7LTIT.js.gz"),
    },
    BuiltFile {
        name: "messages-GJSYZFBO.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("messages-GJSYZFBO.js.gz"),
    },
    BuiltFile {
        name: "overview-CBYD7R2Z.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("overview-CBYD7R2Z.js.gz"),
    },
    BuiltFile {
        name: "settings-MX4TCABE.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("settings-MX4TCABE.js.gz"),
    },
    BuiltFile {
        name: "sources-FL3TY2NP.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("sources-FL3TY2NP.js.gz"),
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
        name: "usage-TNPRZZUP.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("usage-TNPRZZUP.js.gz"),
    },
];
