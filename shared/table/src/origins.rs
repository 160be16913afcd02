//! Which origins any application allows: a browser asks whether it may call before it says for whom (CORS, preflight).

use domain::AppId;
use serde::Serialize;

use crate::{Attributes, RangeQuery, Row, Table, TableError, keys};

#[derive(Serialize)]
struct OriginRow {
    app: AppId,
}

impl Table {
    /// Notes that an application allows pages of these origins.
    pub async fn put_origins(&self, app: AppId, origins: &[String]) -> Result<(), TableError> {
        for it in origins {
            self.put(&Row::Origin(it.clone(), app), &OriginRow { app }, Attributes::new()).await?;
        }
        Ok(())
    }

    /// Notes that an application allows pages of these origins no more.
    pub async fn delete_origins(&self, app: AppId, origins: &[String]) -> Result<(), TableError> {
        for it in origins {
            self.delete(&Row::Origin(it.clone(), app)).await?;
        }
        Ok(())
    }

    /// Whether any application allows pages of this origin.
    pub async fn is_listed_origin(&self, origin: &str) -> Result<bool, TableError> {
        let partition = keys::origin(origin);
        let any = RangeQuery { partition: &partition, from: "0", to: "~", forward: true, consistent: true, limit: 1 };
        Ok(!self.query_range(any).await?.is_empty())
    }
}
