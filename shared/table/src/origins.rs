//! The origins that any application allows. A CORS preflight names no application (Fetch standard, section 3.2).

use domain::AppId;
use serde::Serialize;

use crate::codec::Attributes;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{RangeQuery, Table};

#[derive(Serialize)]
struct OriginRow {
    app: AppId,
}

impl Table {
    /// Adds origins to those that an application allows.
    pub async fn put_origins(&self, app: AppId, origins: &[String]) -> Result<(), TableError> {
        for origin in origins {
            self.put(&Row::Origin(origin.clone(), app), &OriginRow { app }, Attributes::new()).await?;
        }
        Ok(())
    }

    /// Removes origins from those that an application allows.
    pub async fn delete_origins(&self, app: AppId, origins: &[String]) -> Result<(), TableError> {
        for origin in origins {
            self.delete(&Row::Origin(origin.clone(), app)).await?;
        }
        Ok(())
    }

    /// Whether any application allows this origin.
    pub async fn is_listed_origin(&self, origin: &str) -> Result<bool, TableError> {
        let partition = keys::origin(origin);
        let any = RangeQuery { partition: &partition, from: "0", to: "~", forward: true, consistent: true, limit: 1 };
        Ok(!self.query_range(any).await?.is_empty())
    }
}
