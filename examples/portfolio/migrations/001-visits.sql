-- One row for each thing that is counted.
CREATE TABLE visits (
  page  text   PRIMARY KEY,
  count bigint NOT NULL CHECK (count >= 0)
);
