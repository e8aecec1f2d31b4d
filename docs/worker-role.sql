-- What the database role of a worker may do, and nothing else: it cannot read a sealed value, a token or who can open the store.
-- Run it as the owner of the database when the server has started once, and again after an upgrade:
--   psql --file worker-role.sql "$TRACELESS_DATABASE"
-- The role itself is yours to make: create role traceless_worker login password '…';

grant usage on schema traceless, traceless_queue to traceless_worker;

grant select on traceless.store_format, traceless.store to traceless_worker;

-- Builds under a lease: their state, events, contexts and archives.
grant select, update on traceless.build to traceless_worker;
grant select, insert on traceless.build_event to traceless_worker;
grant select, insert, update, delete on traceless.build_blob to traceless_worker;
-- The sealed values of a build are deleted at its end, and not read.
grant select (build), delete on traceless.build_value to traceless_worker;
grant select, insert, update, delete on traceless.worker to traceless_worker;

-- What is recorded about images.
grant select, insert on traceless.usage, traceless.usage_secret, traceless.retired_mount to traceless_worker;
grant select, insert, update, delete on traceless.verdict, traceless.made_step, traceless.turn to traceless_worker;

-- The queue.
grant select, insert, update, delete on all tables in schema traceless_queue to traceless_worker;
grant execute on all functions in schema traceless_queue to traceless_worker;
