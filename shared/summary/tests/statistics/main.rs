//! The site × species matrix and its statistics: against an independent computation, by hand, and whatever the
//! order of the rows.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod property;
#[cfg(test)]
mod worked;
