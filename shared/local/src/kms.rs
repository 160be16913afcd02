//! An emulator of KMS: it encrypts data keys with a key in the data folder.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value, json};

use crate::error::StackError;
use crate::private_file::write_private;
use crate::random::random_bytes;

/// The service. The first start creates its key.
pub(crate) fn router(file: &Path) -> Result<Router, StackError> {
    let unwritable = |it: std::io::Error| StackError::Unwritable { path: file.to_owned(), source: it.into() };
    if !file.exists() {
        write_private(file, &random_bytes::<32>()).map_err(unwritable)?;
    }
    let bytes = std::fs::read(file).map_err(|source| StackError::Unreadable { path: file.to_owned(), source })?;
    let key = UnboundKey::new(&AES_256_GCM, &bytes)
        .map_err(|_| StackError::Corrupt { path: file.to_owned(), source: "not a key".into() })?;
    Ok(Router::new().route("/", post(handle)).with_state(Arc::new(LessSafeKey::new(key))))
}

async fn handle(State(key): State<Arc<LessSafeKey>>, headers: HeaderMap, body: Bytes) -> Response {
    let operation = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let response = match operation {
        "TrentService.GenerateDataKey" => generate_data_key(&key, &request),
        "TrentService.Decrypt" => decrypt(&key, &request),
        _ => None,
    };
    let kind = [("content-type", "application/x-amz-json-1.1")];
    match response {
        Some(it) => (kind, it.to_string()).into_response(),
        None => (StatusCode::BAD_REQUEST, kind, json!({ "__type": "InvalidCiphertextException" }).to_string())
            .into_response(),
    }
}

fn generate_data_key(key: &LessSafeKey, request: &Value) -> Option<Value> {
    let (data_key, nonce): ([u8; 32], [u8; NONCE_LEN]) = (random_bytes(), random_bytes());
    let mut wrapped = data_key.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), additional_data(request), &mut wrapped).ok()?;
    let blob = [&nonce[..], &wrapped].concat();
    Some(
        json!({ "KeyId": request["KeyId"], "Plaintext": STANDARD.encode(data_key), "CiphertextBlob": STANDARD.encode(blob) }),
    )
}

fn decrypt(key: &LessSafeKey, request: &Value) -> Option<Value> {
    let mut blob = STANDARD.decode(request["CiphertextBlob"].as_str()?).ok()?;
    let (nonce, wrapped) = blob.split_first_chunk_mut::<NONCE_LEN>()?;
    let data_key = key.open_in_place(Nonce::assume_unique_for_key(*nonce), additional_data(request), wrapped).ok()?;
    Some(
        json!({ "KeyId": request["KeyId"], "Plaintext": STANDARD.encode(data_key), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }),
    )
}

/// The additional authenticated data of a ciphertext: the key id and the encryption context.
fn additional_data(request: &Value) -> Aad<Vec<u8>> {
    Aad::from(format!("{}{}", request["KeyId"], request["EncryptionContext"]).into_bytes())
}
