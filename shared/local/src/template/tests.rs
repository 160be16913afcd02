//! The template that is there, and what it must not be.

use super::*;

const REAL: &str = include_str!("../../../../template.yaml");

fn emulator_urls() -> EmulatorUrls {
    EmulatorUrls { sqs: "http://127.0.0.1:1".into(), http: "http://127.0.0.1:2".into() }
}

fn parsed(text: &str) -> Result<Model, (usize, String)> {
    parse(text, &BTreeMap::from([("ProcessConcurrency".to_owned(), "2".to_owned())]), &emulator_urls())
}

#[test]
fn the_real_template_is_understood_whole() {
    let model = parsed(REAL).unwrap();
    let binaries: Vec<&str> = model.functions.iter().map(|it| it.binary.as_str()).collect();
    assert_eq!(
        binaries,
        [
            "media-api",
            "images-api",
            "render-image",
            "channels-api",
            "docs-api",
            "inbox-api",
            "connections-api",
            "messages-api",
            "oma-api",
            "operations-api",
            "console-api",
            "sweep",
            "scan",
            "process",
            "process",
            "process",
            "dispatch",
            "socket",
            "deliver-push",
            "deliver-nms",
            "deliver-webhook",
            "deliver-webhook",
            "deliver-amqp",
            "deliver-signalr",
            "processor-callback",
            "iconik-webhook",
            "iconik-ingest",
            "billing-api",
            "billing-sync"
        ]
    );
    let process = &model.functions[13];
    assert_eq!((process.concurrency, process.timeout.as_secs()), (2, 900));
    assert_eq!(process.sqs_sources[0].queue, "notifications-FacesQueue");
    assert_eq!(process.environment["DEAD_LETTERS"], "http://127.0.0.1:1/000000000000/notifications-FacesDead");
    assert_eq!(process.environment["AWS_LAMBDA_LOG_LEVEL"], "INFO");
    let concurrency = |binary: &str| model.functions.iter().find(|it| it.binary == binary).map(|it| it.concurrency);
    let bounds = [("inbox-api", 16), ("sweep", 1), ("process", 2), ("deliver-webhook", 4), ("socket", 16)];
    for (binary, processes) in bounds {
        assert_eq!(concurrency(binary), Some(processes), "{binary}");
    }
    let sweep = &model.functions[11].environment;
    assert!(sweep["WORK_QUEUES"].starts_with("notifications-ScanQueue,notifications-FacesQueue,"));
    let stream = model.functions[16].stream_source.as_ref().unwrap();
    assert_eq!(stream.table, "notifications-Table");
    assert!(stream.bisect_on_error && stream.reports_item_failures && stream.filters.len() == 5);
    assert_eq!(stream.on_failure.as_deref(), Some("notifications-StreamDead"));
    assert_eq!(model.queues[0].redrive, Some(("notifications-ScanDead".to_owned(), 5)));
    let sockets = model.websocket_api.unwrap();
    assert_eq!((sockets.stage.as_str(), sockets.routes["$connect"].as_str()), ("live", "notifications-Socket"));
    assert_eq!(sockets.paths, ["/notifications/ws/*", "/hubs/notifications", "/api/v1/Inbox/Socket"]);
    let endpoint = &model.functions[17].environment["SOCKET_ENDPOINT"];
    assert_eq!(
        endpoint, "https://local.execute-api.us-east-1.amazonaws.com/live",
        "without a parameter, API Gateway's own"
    );
    assert_eq!(model.table.unwrap().ttl_attribute.as_deref(), Some("ttl"));
    assert_eq!(process.environment["EDGE_TOKEN"], "", "no CloudFront is in front");
    let edge = [("ProcessConcurrency".to_owned(), "2".to_owned()), ("Edge".to_owned(), "on".to_owned())];
    let model = parse(REAL, &BTreeMap::from(edge), &emulator_urls()).unwrap();
    assert_eq!(model.functions[0].environment["EDGE_TOKEN"], "00000000-0000-4000-8000-000000000000");
}

#[test]
fn a_construct_that_is_not_known_is_an_error_with_its_line() {
    let line_of = |needle: &str, text: &str| text.lines().position(|it| it.contains(needle)).unwrap() + 1;
    for (from, to, needle, what) in [
        (
            "Type: AWS::S3::Bucket",
            "Type: AWS::Kinesis::Stream",
            "AWS::Kinesis::Stream",
            "resources of type AWS::Kinesis::Stream",
        ),
        ("BatchSize: 4", "BatchSizes: 4", "BatchSizes", "`BatchSizes` in a queue trigger"),
        ("BatchSize: 4", "BatchSize: many", "BatchSize: many", "`many` is not a number"),
        ("Schedule: rate(1 minute)", "Schedule: rate(1 minutes)", "rate(1 minutes)", "is no schedule"),
        (
            "TABLE: !If [OwnsTable, !Ref Table,",
            "TABLE: !If [OwnsTable, !Ref Tabel,",
            "Ref Tabel,",
            "nothing called `Tabel`",
        ),
        ("TABLE: !If [OwnsTable,", "TABLE: !If [OwnTable,", "OwnTable,", "no condition `OwnTable`"),
        ("QUEUE: !Ref ScanQueue", "QUEUE: !ImportValue x", "!ImportValue", "`!ImportValue` is not known"),
        ("Role: !GetAtt SweepRole.Arn", "Role: !GetAtt Sweeprole.Arn", "Sweeprole", "nothing called `Sweeprole`"),
        (
            "!Join [',', [!GetAtt ScanQueue",
            "!Join [',', !GetAtt [ScanQueue",
            "!Join [',', !GetAtt",
            "a list is expected",
        ),
        ("HasAmqp: !Equals", "HasAmqp: !Contains", "!Contains", "a condition is `!Equals`"),
        ("MessageRetentionPeriod: 1209600", "FifoQueue: true", "FifoQueue", "`FifoQueue` in a queue"),
        ("{\"exists\":true}", "{\"numeric\":[\">\",1]}", "numeric", "`numeric` is not known"),
    ] {
        let text = REAL.replacen(from, to, 1);
        let (line, said) = parsed(&text).unwrap_err();
        assert!(said.contains(what), "{said}");
        let expected = line_of(needle, &text);
        assert!(line == expected || line == expected + 1, "{what}: line {line}, not {expected}");
    }
}

/// What a parameter names is taken, and not made; what it switches off is not asked for.
#[test]
fn parameters_change_what_there_is() {
    let with = |given: &[(&str, &str)]| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parse(REAL, &given, &emulator_urls())
    };
    let restored = with(&[
        ("TableName", "restored"),
        ("TableStreamArn", "arn:aws:dynamodb:us-east-1:000000000000:table/restored/stream/2026-11-20T20:49:45.756"),
        ("MasterKeyArn", "arn:aws:kms:us-east-1:000000000000:key/old"),
        ("ResultsBucketName", "old-results"),
    ])
    .unwrap();
    assert_eq!((restored.table, restored.buckets.len()), (None, 0));
    let environment = &restored.functions[0].environment;
    let names = ["TABLE", "RESULTS", "MASTER_KEY"].map(|it| environment[it].as_str());
    assert_eq!(names, ["restored", "old-results", "arn:aws:kms:us-east-1:000000000000:key/old"]);
    assert_eq!(restored.functions[16].stream_source.as_ref().unwrap().table, "restored");

    let sources = |model: &Model, binary: &str| {
        model.functions.iter().find(|it| it.binary == binary).map(|it| it.sqs_sources.len())
    };
    let (all, fewer) = (with(&[]).unwrap(), with(&[("Amqp", "off")]).unwrap());
    assert_eq!((sources(&all, "deliver-amqp"), sources(&fewer, "deliver-amqp")), (Some(1), Some(0)));
    assert_eq!((sources(&all, "billing-sync"), sources(&fewer, "deliver-signalr")), (Some(0), Some(1)));

    for (given, why) in [
        (&[("SubnetIds", "subnet-1")][..], "SubnetIds and SecurityGroupIds belong together"),
        (&[("DomainName", "api.example.com"), ("Edge", "on")][..], "DomainName needs CertificateArn"),
        (&[("TableName", "restored")][..], "TableName needs TableStreamArn"),
    ] {
        let (line, said) = with(given).unwrap_err();
        assert!(said.starts_with(why) && line > 1, "{line}: {said}");
    }
}

#[test]
fn parameters_are_checked() {
    let wrong = parse(REAL, &BTreeMap::from([("Colour".to_owned(), "red".to_owned())]), &emulator_urls()).unwrap_err();
    assert!(wrong.1.contains("no parameter `Colour`"), "{}", wrong.1);
}
