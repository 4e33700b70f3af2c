//! The tables: worked examples by hand, and against a second, naive computation.

#[cfg(test)]
mod naive;
#[cfg(test)]
mod property;
#[cfg(test)]
mod records;
#[cfg(test)]
mod worked;
