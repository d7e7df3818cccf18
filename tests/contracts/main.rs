//! Every endpoint of every contract, in every status it can give: whole answers as snapshots, and what the table holds after.

mod workspace;
