//! What every format must keep up for any findings over any text.
