//! Debezium, the broker and the engine are killed in the middle of work.
