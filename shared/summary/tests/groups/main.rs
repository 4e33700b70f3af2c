//! What workers count of datasets and of matches in the register.

#[cfg(test)]
mod added_up;
#[cfg(test)]
mod new_in_run;
