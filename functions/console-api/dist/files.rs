//! The built files of the pages. Made by `build.mjs`, which is in `../web`: do not edit it.

use crate::pages::BuiltFile;

/// The page, compressed.
pub(crate) const INDEX: &[u8] = include_bytes!("index.html.gz");

/// All other files.
pub(crate) const FILES: &[BuiltFile] = &[
    BuiltFile {
        name: "channels-RHVV5LPP.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("channels-RHVV5LPP.js.gz"),
    },
    BuiltFile {
        name: "chunk-4ZIDC6DF.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-4ZIDC6DF.js.gz"),
    },
    BuiltFile {
        name: "chunk-7XPIYA53.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-7XPIYA53.js.gz"),
    },
    BuiltFile {
        name: "chunk-CMMN4JJD.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-CMMN4JJD.js.gz"),
    },
    BuiltFile {
        name: "chunk-OJWZH7PK.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-OJWZH7PK.js.gz"),
    },
    BuiltFile {
        name: "chunk-RP7C53SN.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-RP7C53SN.js.gz"),
    },
    BuiltFile {
        name: "chunk-RWYYBDHY.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-RWYYBDHY.js.gz"),
    },
    BuiltFile {
        name: "chunk-YM3FKFDS.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-YM3FKFDS.js.gz"),
    },
    BuiltFile {
        name: "chunk-ZAZ2KKJY.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-ZAZ2KKJY.js.gz"),
    },
    BuiltFile {
        name: "deadletters-BJKACQCJ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("deadletters-BJKACQCJ.js.gz"),
    },
    BuiltFile {
        name: "icon-BHLHY764.svg",
        content_type: "image/svg+xml",
        gzip: include_bytes!("icon-BHLHY764.svg.gz"),
    },
    BuiltFile {
        name: "inbox-KGDUSZ2T.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("inbox-KGDUSZ2T.js.gz"),
    },
    BuiltFile {
        name: "items-NHERSFAJ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("items-NHERSFAJ.js.gz"),
    },
    BuiltFile {
        name: "main-NXWKKKYQ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("main-NXWKKKYQ.js.gz"),
    },
    BuiltFile {
        name: "messages-ZPPAMLN3.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("messages-ZPPAMLN3.js.gz"),
    },
    BuiltFile {
        name: "overview-OQCWH6LI.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("overview-OQCWH6LI.js.gz"),
    },
    BuiltFile {
        name: "settings-37GEWFNL.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("settings-37GEWFNL.js.gz"),
    },
    BuiltFile {
        name: "sources-2BJMROAN.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("sources-2BJMROAN.js.gz"),
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
        name: "usage-LZGQRRNL.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("usage-LZGQRRNL.js.gz"),
    },
];
