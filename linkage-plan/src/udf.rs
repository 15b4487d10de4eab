//! `dice(a, b)`: the Dice similarity of two CLKs, row by row.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Float64Builder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Column, Result, exec_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::layout::ClkLayout;

/// The function's name.
pub(crate) const NAME: &str = "dice";

/// Takes two `FixedSizeBinary` of one length and returns a nullable `Float64`: null when either argument is.
///
/// How many segments the CLKs have, the arguments' fields say: segmented CLKs are scored over the segments that both have.
///
/// This is the function as it runs anywhere in a query. As the condition of a join it is replaced by the Dice join.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct DiceUdf {
    signature: Signature,
}

impl DiceUdf {
    pub(crate) fn udf() -> ScalarUDF {
        ScalarUDF::from(Self { signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for DiceUdf {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::FixedSizeBinary(a), DataType::FixedSizeBinary(b)] if a == b => Ok(types.to_vec()),
            [DataType::FixedSizeBinary(a), DataType::FixedSizeBinary(b)] => plan_err!(
                "dice() compares CLKs of one length, and these have {a} and {b} bytes; both sides must use one linkage schema"
            ),
            _ => plan_err!("dice() takes two CLKs (FixedSizeBinary of one length)"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    /// Refuses CLKs of two layouts, whose similarity would mean nothing.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [a, b] = args.arg_fields else { return plan_err!("dice() takes two CLKs") };
        ClkLayout::of_both(a, b)?;
        Ok(Arc::new(Field::new(NAME, DataType::Float64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [a, b] = args.arg_fields.as_slice() else { return exec_err!("dice() takes two arguments") };
        let layout = ClkLayout::of_both(a, b)?;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [a, b] = arrays.as_slice() else { return exec_err!("dice() takes two arguments") };
        let (Some(a), Some(b)) = (a.as_fixed_size_binary_opt(), b.as_fixed_size_binary_opt()) else {
            return exec_err!("dice() takes two CLKs");
        };
        if a.value_size() != b.value_size() {
            return exec_err!("dice() compares CLKs of one length");
        }
        let mut scores = Float64Builder::with_capacity(a.len());
        for row in 0..a.len() {
            scores.append_option(
                (a.is_valid(row) && b.is_valid(row)).then(|| layout.similarity(a.value(row), b.value(row))),
            );
        }
        Ok(ColumnarValue::Array(Arc::new(scores.finish())))
    }
}

/// Whether the expression is a call of `dice()`.
pub(crate) fn is_dice(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.inner().is::<DiceUdf>())
}

/// The columns of `dice(column, column)`; `None` for any other expression.
pub(crate) fn dice_columns(expr: &Expr) -> Option<(&Column, &Column)> {
    let Expr::ScalarFunction(ScalarFunction { args, .. }) = expr else { return None };
    match args.as_slice() {
        [Expr::Column(a), Expr::Column(b)] if is_dice(expr) => Some((a, b)),
        _ => None,
    }
}
