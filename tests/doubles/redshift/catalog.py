"""What the double's databases have beyond PostgreSQL's: functions, system tables, and a trigger.

The trigger gives the columns of each new table Redshift's types, and counts their bytes.

Columns of the system tables:
https://docs.aws.amazon.com/redshift/latest/dg/r_STL_LOAD_ERRORS.html
https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html
"""

from functools import cache

from tests.servers import PostgresServer

SERVER_VERSION = "8.0.2"
VERSION = (
    "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 "
    "(Red Hat 3.4.2-6.fc3), Redshift 1.0.112233"
)
TEMPLATE = "redshift_template"

_FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT '{VERSION}'::text $$;
CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
  $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;
CREATE FUNCTION pg_catalog.len(text) RETURNS integer LANGUAGE sql IMMUTABLE AS
  $$ SELECT length($1) $$;
CREATE FUNCTION pg_catalog.nvl(VARIADIC anycompatiblearray) RETURNS anycompatible LANGUAGE sql IMMUTABLE AS
  $$ SELECT v FROM unnest($1) WITH ORDINALITY AS u(v, n) WHERE v IS NOT NULL ORDER BY n LIMIT 1 $$;
CREATE FUNCTION pg_catalog.sha2(text, integer) RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT encode(CASE $2 WHEN 224 THEN sha224(convert_to($1, 'UTF8'))
                           WHEN 384 THEN sha384(convert_to($1, 'UTF8'))
                           WHEN 512 THEN sha512(convert_to($1, 'UTF8'))
                           ELSE sha256(convert_to($1, 'UTF8')) END, 'hex') $$;
CREATE FUNCTION pg_catalog.json_extract_path_text(text, VARIADIC text[]) RETURNS text
  LANGUAGE sql IMMUTABLE AS $$ SELECT $1::json #>> $2 $$;
CREATE FUNCTION pg_catalog.dateadd(part text, n bigint, at timestamp) RETURNS timestamp
  LANGUAGE sql IMMUTABLE AS $$ SELECT at + n * ('1 ' || part)::interval $$;
CREATE FUNCTION pg_catalog.datediff(part text, a timestamp, b timestamp) RETURNS bigint
  LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN part LIKE 'year%' THEN extract(year FROM b) - extract(year FROM a)
    WHEN part LIKE 'month%' THEN (extract(year FROM b) - extract(year FROM a)) * 12
                                 + extract(month FROM b) - extract(month FROM a)
    ELSE extract(epoch FROM date_trunc(part, b) - date_trunc(part, a))
         / extract(epoch FROM ('1 ' || part)::interval)
  END::bigint $$;
CREATE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('redshift.last_copy_count', true), ''), '0')::bigint $$;
CREATE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('redshift.last_copy_id', true), ''), '-1')::bigint $$;
CREATE FUNCTION pg_catalog.pg_last_query_id() RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT coalesce(nullif(current_setting('redshift.last_query_id', true), ''), '-1')::bigint $$;
"""

_TABLES = """
CREATE TABLE pg_catalog.stl_load_errors (
  userid integer, slice integer, tbl integer, starttime timestamp, session integer, query integer,
  filename char(256), line_number bigint, colname char(127), type char(10), col_length char(10),
  position integer, raw_line char(1024), raw_field_value char(1024), err_code integer,
  err_reason char(100), is_partial integer, start_offset bigint);
CREATE TABLE pg_catalog.sys_load_error_detail (
  user_id integer, query_id bigint, transaction_id bigint, session_id integer,
  database_name char(64), table_id integer, start_time timestamp, file_name char(256),
  line_number bigint, column_name char(127), column_type char(10), column_length char(10),
  position integer, error_code integer, error_message char(512));
GRANT SELECT ON pg_catalog.stl_load_errors, pg_catalog.sys_load_error_detail TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
"""

_TRIGGER = """
CREATE SCHEMA redshift;
GRANT USAGE ON SCHEMA redshift TO PUBLIC;
CREATE FUNCTION redshift.give_types() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
  made record; col record; bytes integer; wanted text; old text; changes text[];
BEGIN
  IF coalesce(current_setting('redshift.giving_types', true), '') = 'on' THEN RETURN; END IF;
  PERFORM set_config('redshift.giving_types', 'on', true);
  FOR made IN SELECT DISTINCT objid FROM pg_event_trigger_ddl_commands()
              WHERE object_type IN ('table', 'table column') LOOP
    changes := '{}';
    FOR col IN SELECT a.attname, a.attnum, a.atttypmod, t.typname,
                      format_type(a.atttypid, a.atttypmod) AS type
               FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
               WHERE a.attrelid = made.objid AND a.attnum > 0 AND NOT a.attisdropped LOOP
      IF col.typname = 'text' OR (col.typname = 'varchar' AND col.atttypmod = -1) THEN
        bytes := CASE tg_tag WHEN 'CREATE TABLE AS' THEN 65535 ELSE 256 END;
        changes := changes || format('ALTER COLUMN %I TYPE varchar(%s)', col.attname, bytes);
      ELSIF col.typname = 'numeric' AND col.atttypmod = -1 AND tg_tag <> 'CREATE TABLE AS' THEN
        changes := changes || format('ALTER COLUMN %I TYPE numeric(18, 0)', col.attname);
      ELSIF col.typname NOT IN ('int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'bool',
                                'bpchar', 'varchar', 'date', 'time', 'timetz', 'timestamp',
                                'timestamptz') THEN
        RAISE EXCEPTION 'Column "%" has unsupported type "%".', col.attname, col.type
          USING ERRCODE = '0A000';
      ELSIF col.typname IN ('varchar', 'bpchar') THEN
        bytes := col.atttypmod - 4;
      END IF;
      IF col.typname = 'varchar' AND bytes > 65535 THEN
        RAISE EXCEPTION 'length for type varchar cannot exceed 65535' USING ERRCODE = '22023';
      ELSIF col.typname = 'bpchar' AND bytes > 4096 THEN
        RAISE EXCEPTION 'length for type char cannot exceed 4096' USING ERRCODE = '22023';
      ELSIF col.typname = 'numeric' AND ((col.atttypmod - 4) >> 16) & 65535 > 38
            AND col.atttypmod <> -1 THEN
        RAISE EXCEPTION 'NUMERIC precision must be between 1 and 38' USING ERRCODE = '22023';
      ELSIF col.type ~ '\\(\\d\\)' AND col.typname LIKE 'time%' THEN
        RAISE EXCEPTION 'Column "%" has unsupported type "%".', col.attname, col.type
          USING ERRCODE = '0A000';
      END IF;
      IF col.typname IN ('varchar', 'bpchar', 'text') THEN
        wanted := format('redshift_%s_%s_%s', col.attnum,
                         CASE col.typname WHEN 'bpchar' THEN 'character' ELSE 'varying' END, bytes);
        FOR old IN SELECT conname FROM pg_constraint
                   WHERE conrelid = made.objid AND conname <> wanted
                     AND conname LIKE format('redshift\\_%s\\_%%', col.attnum) LOOP
          changes := changes || format('DROP CONSTRAINT %I', old);
        END LOOP;
        IF NOT EXISTS (SELECT FROM pg_constraint
                       WHERE conrelid = made.objid AND conname = wanted) THEN
          changes := changes || format('ADD CONSTRAINT %I CHECK (octet_length(%I) <= %s)',
                                       wanted, col.attname, bytes);
        END IF;
      END IF;
    END LOOP;
    IF changes <> '{}' THEN
      EXECUTE format('ALTER TABLE %s %s', made.objid::regclass, array_to_string(changes, ', '));
    END IF;
  END LOOP;
  PERFORM set_config('redshift.giving_types', 'off', true);
END $$;
CREATE EVENT TRIGGER give_types ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'ALTER TABLE')
  EXECUTE FUNCTION redshift.give_types();
"""


@cache
def template(server: PostgresServer) -> str:
    """The database on *server* that the double's databases are copies of; made when first asked."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0".encode())
    with server.connect(TEMPLATE) as connection:
        connection.execute("SET allow_system_table_mods = on")
        for script in (_FUNCTIONS, _TABLES, _TRIGGER):
            connection.execute(script.encode())
    return TEMPLATE
