//! Database rows as entities of the domain.
//!
//! The one place where a row becomes an entity, whether the statement returns its
//! references as ids (to change entities) or as codes (to list them): both name
//! their columns alike.

use std::{collections::BTreeSet, error::Error, str::FromStr};

use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

use crate::domain::{
    App, Attribute, CATALOGUE, Category, Channel, Code, FactKey, GridView, Item, ItemKind, Label,
    Level, PlainItem, Product, ProductKind, ProductRef, Role, Selection, Subject, UserGroup,
};

use super::StoreError;

/// An entity, or a part of one, that rows hold.
pub(super) trait FromRow: Sized {
    /// Parses a row.
    ///
    /// # Errors
    ///
    /// [`StoreError::CorruptRow`] if a value violates the domain's rules.
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError>;
}

/// The columns of a row, by name.
#[derive(Clone, Copy)]
pub(super) struct Columns<'r> {
    statement: &'static str,
    row: &'r Row,
}

impl<'r> Columns<'r> {
    /// `statement` returned the row.
    pub(super) fn new(statement: &'static str, row: &'r Row) -> Self {
        Self { statement, row }
    }

    /// Returns the value of a column.
    pub(super) fn get<T: FromSql<'r>>(&self, column: &str) -> Result<T, StoreError> {
        let value = self.row.try_get(column);
        value.map_err(|error| self.corrupt(format!("{column}: {error}")))
    }

    /// Returns the value of a column that holds a word of the domain.
    pub(super) fn word<T: FromStr>(&self, column: &str) -> Result<T, StoreError> {
        let text: &str = self.get(column)?;
        self.parse(column, text)
    }

    /// Returns the value of a column that holds a level as bits.
    pub(super) fn level(&self, column: &str) -> Result<Level, StoreError> {
        Ok(level(self.get(column)?))
    }

    /// Returns the value of a column that holds a count or another number from 0.
    pub(super) fn count(&self, column: &str) -> Result<u64, StoreError> {
        Ok(self.get::<i64>(column)?.unsigned_abs())
    }

    fn set<T: FromSql<'r> + Ord>(&self, column: &str) -> Result<BTreeSet<T>, StoreError> {
        let values: Vec<T> = self.get(column)?;
        Ok(values.into_iter().collect())
    }

    fn parse<T: FromStr>(&self, column: &str, text: &str) -> Result<T, StoreError> {
        let value = text.parse();
        value.map_err(|_| self.corrupt(format!("{column} `{text}`")))
    }

    fn corrupt(&self, message: String) -> StoreError {
        StoreError::corrupt(self.statement, message)
    }
}

/// Parses all rows that a statement returned.
pub(super) fn parse_all<T: FromRow>(
    statement: &'static str,
    rows: &[Row],
) -> Result<Vec<T>, StoreError> {
    let entities = rows
        .iter()
        .map(|row| T::from_row(&Columns::new(statement, row)));
    entities.collect()
}

impl<'a> FromSql<'a> for Code {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let text = <&str>::from_sql(ty, raw)?;
        text.parse()
            .map_err(|invalid| format!("`{text}` {invalid}").into())
    }

    fn accepts(ty: &Type) -> bool {
        <&str as FromSql>::accepts(ty)
    }
}

impl<'a> FromSql<'a> for FactKey {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let Ok(key) = <&str>::from_sql(ty, raw)?.parse();
        Ok(key)
    }

    fn accepts(ty: &Type) -> bool {
        <&str as FromSql>::accepts(ty)
    }
}

/// Read from a column that is true for a model.
impl<'a> FromSql<'a> for ProductKind {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let is_model = bool::from_sql(ty, raw)?;
        Ok(if is_model { Self::Model } else { Self::Product })
    }

    fn accepts(ty: &Type) -> bool {
        <bool as FromSql>::accepts(ty)
    }
}

fn level(bits: i16) -> Level {
    Level::from_bits(u8::try_from(bits).unwrap_or_default())
}

impl FromRow for UserGroup {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            code: row.get("code")?,
            label: Label::stored(row.get("label")?),
            private: row.get("private")?,
        })
    }
}

impl FromRow for Role {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        let permissions: Vec<&str> = row.get("permissions")?;
        Ok(Self {
            code: row.get("code")?,
            label: Label::stored(row.get("label")?),
            audience: row.word("audience")?,
            permissions: CATALOGUE.permissions_with(&permissions),
        })
    }
}

impl<Group, Role> FromRow for Subject<Group, Role>
where
    Group: for<'r> FromSql<'r> + Ord,
    Role: for<'r> FromSql<'r> + Ord,
{
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.word("type")?,
            code: row.get("code")?,
            enabled: row.get("enabled")?,
            groups: row.set("groups")?,
            roles: row.set("roles")?,
        })
    }
}

impl<Ref: for<'r> FromSql<'r>> FromRow for Category<Ref> {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            code: row.get("code")?,
            parent: row.get("parent")?,
        })
    }
}

impl<Ref: for<'r> FromSql<'r> + Ord> FromRow for Channel<Ref> {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            code: row.get("code")?,
            tree: row.get("tree")?,
            locales: row.set("locales")?,
        })
    }
}

impl FromRow for PlainItem {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.word("type")?,
            code: row.get("code")?,
        })
    }
}

impl<Ref: for<'r> FromSql<'r> + Ord> FromRow for Item<Ref> {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        match row.word("type")? {
            ItemKind::Category => Category::from_row(row).map(Self::Category),
            ItemKind::Channel => Channel::from_row(row).map(Self::Channel),
            ItemKind::Locale
            | ItemKind::AttributeGroup
            | ItemKind::AssetFamily
            | ItemKind::ReferenceEntity
            | ItemKind::ImportProfile
            | ItemKind::ExportProfile => PlainItem::from_row(row).map(Self::Plain),
        }
    }
}

impl<Ref: for<'r> FromSql<'r>> FromRow for Attribute<Ref> {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            code: row.get("code")?,
            group: row.get("attribute_group")?,
            scopable: row.get("scopable")?,
            localizable: row.get("localizable")?,
        })
    }
}

impl<Ref: for<'r> FromSql<'r> + Ord> FromRow for GridView<Ref> {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            code: row.get("code")?,
            attribute_groups: row.set("attribute_groups")?,
        })
    }
}

impl FromRow for ProductRef {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.get("model")?,
            code: row.word("code")?,
        })
    }
}

impl FromRow for Product {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.get("model")?,
            code: row.get("code")?,
            parent: row.get("parent")?,
            categories: row.get("categories")?,
        })
    }
}

/// Returns the columns that an app's selections have in a select list: the rows of
/// the app whose subject has the id `subject`, in the order of axis, level and
/// item's id. `item` is an expression over the row `s`.
macro_rules! selection_columns {
    ($subject:literal, $item:literal) => {
        concat!(
            selection_columns!(@column "s.axis", $subject), " AS axes, ",
            selection_columns!(@column "s.level", $subject), " AS levels, ",
            selection_columns!(@column $item, $subject), " AS items"
        )
    };
    (@column $column:literal, $subject:literal) => {
        concat!(
            "ARRAY(SELECT ", $column, " FROM app_selection AS s WHERE s.tenant_id = $1 AND s.subject_id = ",
            $subject, " ORDER BY s.axis, s.level, s.item_id NULLS FIRST)"
        )
    };
}
pub(super) use selection_columns;

impl<Group, Item> FromRow for App<Group, Item>
where
    Group: for<'r> FromSql<'r>,
    Item: for<'r> FromSql<'r>,
{
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        let scopes: Vec<&str> = row.get("scopes")?;
        let known = scopes
            .into_iter()
            .filter_map(|code| CATALOGUE.find_scope(code));
        let axes: Vec<&str> = row.get("axes")?;
        let levels: Vec<i16> = row.get("levels")?;
        let items: Vec<Option<Item>> = row.get("items")?;
        let selections = axes.into_iter().zip(levels).zip(items);
        let selections = selections.map(|((axis, bits), item)| {
            Ok(Selection {
                axis: row.parse("axis", axis)?,
                level: level(bits).bits(),
                item,
            })
        });
        let mut selections = selections.collect::<Result<Vec<_>, StoreError>>()?;
        // The database orders axes by name.
        selections.sort_by_key(|selection| (selection.axis, selection.level));
        Ok(Self {
            group: row.get("app_group")?,
            connected_by: row.get("connected_by")?,
            later_channels: row.get("later_channels")?,
            permissions_passed: row.get("permissions_passed")?,
            scopes: known.map(|scope| scope.id).collect(),
            selections,
        })
    }
}
