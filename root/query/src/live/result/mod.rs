//! From the distinct rows of a query to what its subscriber sees: groups, order, window, row numbers, pulled entities.

mod groups;
mod output;
mod pulled;
mod ranked;

pub use groups::{Grouping, Groups};
pub use output::{Cells, Difference, Keyed, Output, RowChange, Shown, Window};
pub use pulled::{Pulled, Pulls, RowPlace, Watch};
