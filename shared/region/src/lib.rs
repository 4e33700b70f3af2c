//! Region layers and the exact point to region index.
