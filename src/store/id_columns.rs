use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::domain::{
    AttributeId, CallerId, GridViewId, GroupId, ItemId, ProductId, RoleId, SubjectId,
};

/// Makes ids columns and parameters of the type `integer`, alone and in arrays.
macro_rules! id_columns {
    ($($id:ident),+) => {$(
        impl<'a> FromSql<'a> for $id {
            fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
                i32::from_sql(ty, raw).map(Self)
            }

            fn accepts(ty: &Type) -> bool {
                <i32 as FromSql>::accepts(ty)
            }
        }

        impl ToSql for $id {
            fn to_sql(
                &self,
                ty: &Type,
                out: &mut BytesMut,
            ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
                self.0.to_sql(ty, out)
            }

            fn accepts(ty: &Type) -> bool {
                <i32 as ToSql>::accepts(ty)
            }

            to_sql_checked!();
        }
    )+};
}

id_columns!(
    AttributeId,
    CallerId,
    GridViewId,
    GroupId,
    ItemId,
    ProductId,
    RoleId,
    SubjectId
);
