//! What paths name: a unit, a series' provider, a batch, a lock.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use smartpulse_operators::series::Provider;
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::{Unit, UnitType};

use super::refusal::Refusal;
use crate::export::ExportView;

/// `…/{unitType}/{unitNo}`
pub(crate) struct UnitPath(pub(crate) Unit);

/// `…/{provider}/{unitType}/{unitNo}/…`
pub(crate) struct ProviderPath {
    pub(crate) provider: Provider,
    pub(crate) unit: Unit,
}

/// `…/{dimension}/{key}/{provider}`
pub(crate) struct TotalPath {
    pub(crate) total: Total,
    pub(crate) provider: Provider,
}

/// `…/{unitType}/{unitNo}/properties/{key}`
pub(crate) struct PropertyPath {
    pub(crate) unit: Unit,
    pub(crate) key: String,
}

/// `…/{id}`
pub(crate) struct IdPath(pub(crate) String);

/// `…/{view}`
pub(crate) struct ViewPath(pub(crate) ExportView);

/// The unit that two texts name.
pub(crate) fn unit(
    (type_field, unit_type): (&str, &str),
    (no_field, unit_no): (&str, &str),
) -> Result<Unit, Refusal> {
    let unit_type = UnitType::parse(unit_type)
        .ok_or_else(|| Refusal::field(type_field, "must be PP, CMP or GRP"))?;
    let unit_no = Unit::parse_no(unit_no)
        .ok_or_else(|| Refusal::field(no_field, "must be a positive whole number"))?;
    Ok(Unit { unit_type, unit_no })
}

/// The provider key that `text` is.
pub(crate) fn provider(field: &str, text: &str) -> Result<Provider, Refusal> {
    let rule = "must be 1 to 50 characters, not all blank";
    Provider::parse(text).ok_or_else(|| Refusal::field(field, rule))
}

async fn texts<T: DeserializeOwned + Send>(parts: &mut Parts) -> Result<T, Refusal> {
    let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, &()).await;
    path.map(|Path(texts)| texts).map_err(|error| Refusal::field("path", error.body_text()))
}

impl<S: Sync> FromRequestParts<S> for UnitPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<UnitPath, Refusal> {
        let (unit_type, unit_no): (String, String) = texts(parts).await?;
        unit(("unitType", &unit_type), ("unitNo", &unit_no)).map(UnitPath)
    }
}

impl<S: Sync> FromRequestParts<S> for ProviderPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<ProviderPath, Refusal> {
        let (key, unit_type, unit_no): (String, String, String) = texts(parts).await?;
        let provider = provider("provider", &key)?;
        Ok(ProviderPath { provider, unit: unit(("unitType", &unit_type), ("unitNo", &unit_no))? })
    }
}

impl<S: Sync> FromRequestParts<S> for TotalPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<TotalPath, Refusal> {
        let (dimension, key, name): (String, String, String) = texts(parts).await?;
        let provider = provider("provider", &name)?;
        if !Total::DIMENSIONS.iter().any(|known| dimension.eq_ignore_ascii_case(known)) {
            let rule = format!("must be one of {}", Total::DIMENSIONS.join(", "));
            return Err(Refusal::field("dimension", rule));
        }
        let rule = "must be a company's or group's number, a name, or `all` for all";
        let total = Total::parse(&dimension, &key).ok_or_else(|| Refusal::field("key", rule))?;
        Ok(TotalPath { total, provider })
    }
}

impl<S: Sync> FromRequestParts<S> for PropertyPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<PropertyPath, Refusal> {
        let (unit_type, unit_no, key): (String, String, String) = texts(parts).await?;
        Ok(PropertyPath { unit: unit(("unitType", &unit_type), ("unitNo", &unit_no))?, key })
    }
}

impl<S: Sync> FromRequestParts<S> for IdPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<IdPath, Refusal> {
        texts(parts).await.map(IdPath)
    }
}

impl<S: Sync> FromRequestParts<S> for ViewPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<ViewPath, Refusal> {
        let word: String = texts(parts).await?;
        let rule =
            || format!("must be one of {}", ExportView::ALL.map(ExportView::word).join(", "));
        ExportView::parse(&word).map(ViewPath).ok_or_else(|| Refusal::field("view", rule()))
    }
}
