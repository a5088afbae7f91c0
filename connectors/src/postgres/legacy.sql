-- The tables of the legacy platform that are read, in Postgres. Instants are UTC without a zone, as there.

CREATE TABLE IF NOT EXISTS power_plant_type (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS power_plant (
    id integer PRIMARY KEY,
    name varchar(512) NOT NULL,
    type_id integer REFERENCES power_plant_type (id),
    installed_power_mw double precision,
    region text,
    timezone text NOT NULL DEFAULT 'Europe/Istanbul',
    is_active boolean NOT NULL DEFAULT true,
    additional_settings jsonb
);

CREATE TABLE IF NOT EXISTS company_power_plants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id integer NOT NULL,
    power_plant_id integer NOT NULL,
    valid_from timestamp(6) NOT NULL,
    valid_to timestamp(6) NOT NULL DEFAULT 'infinity'
);

CREATE TABLE IF NOT EXISTS group_company (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id integer NOT NULL,
    company_id integer NOT NULL,
    start_date timestamp(6) NOT NULL,
    end_date timestamp(6)
);

CREATE TABLE IF NOT EXISTS t000entity_property (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_type varchar(5) NOT NULL,
    entity_id integer NOT NULL,
    key text NOT NULL,
    value jsonb,
    UNIQUE (entity_type, entity_id, key)
);

CREATE TABLE IF NOT EXISTS t000entity_permission (
    user_id integer NOT NULL,
    entity_type varchar(5) NOT NULL,
    entity_id integer NOT NULL,
    permission_type varchar(10) NOT NULL,
    granted_at timestamp(2) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    granted_by integer,
    PRIMARY KEY (user_id, entity_type, entity_id, permission_type)
);

CREATE TABLE IF NOT EXISTS sys_role (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS sys_user_role (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id integer NOT NULL,
    role_id integer NOT NULL REFERENCES sys_role (id)
);

CREATE TABLE IF NOT EXISTS t004forecast_provider_key (
    unit_type varchar(5) NOT NULL,
    unit_no integer NOT NULL,
    provider_key varchar(50) NOT NULL,
    first_insert_date timestamp(2),
    last_insert_date timestamp(2),
    measure_unit integer,
    PRIMARY KEY (unit_type, unit_no, provider_key)
);

CREATE TABLE IF NOT EXISTS t004forecast_batch_info (
    batch_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    note varchar(255),
    start_time timestamp(2) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    user_id integer,
    from_system smallint NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS t004forecast_lock (
    batch_id uuid NOT NULL,
    unit_type varchar(5) NOT NULL,
    unit_no integer NOT NULL,
    delivery_start timestamp(0) NOT NULL,
    delivery_end timestamp(0) NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    updated_date timestamp(2) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    updated_user_id integer,
    PRIMARY KEY (batch_id, unit_type, unit_no, delivery_start, delivery_end)
);

CREATE TABLE IF NOT EXISTS t004forecast (
    batch_id uuid NOT NULL,
    unit_type varchar(5) NOT NULL,
    unit_no integer NOT NULL,
    delivery_start timestamp(0) NOT NULL,
    delivery_end timestamp(0) NOT NULL,
    provider_key varchar(50) NOT NULL,
    valid_after timestamp(6) NOT NULL,
    prediction_value numeric(36, 4),
    PRIMARY KEY (batch_id, unit_type, unit_no, delivery_start, delivery_end, provider_key, valid_after)
);

CREATE INDEX IF NOT EXISTS t004forecast_valid_after
    ON t004forecast (valid_after, provider_key, unit_type, unit_no, delivery_start, delivery_end);
