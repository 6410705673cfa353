#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/dissector/redact/redact.h"
#include "tests/unit/services/dissector/redact/redaction.h"

static char dst[4096];

static void passwords_leave_statements(void **state)
{
    (void)state;
    static const struct { const char *text, *expected; } samples[] = {
        { "", "" }, { "SELECT 1", "SELECT 1" }, { "SELECT * FROM t WHERE a = 'it''s' AND b = \"x\"", "SELECT * FROM t WHERE a = 'it''s' AND b = \"x\"" }, { "SELECT a\\'b'", "SELECT a\\'b'" },
        { "ALTER USER bob PASSWORD 'abc'", "ALTER USER bob PASSWORD '[redacted]'" }, { "alter role bob with encrypted password 'a''b' valid until '2030-01-01'", "alter role bob with encrypted password '[redacted]' valid until '2030-01-01'" },
        { "ALTER USER bob PASSWORD E'abc'", "ALTER USER bob PASSWORD E'[redacted]'" }, { "ALTER USER bob PASSWORD $$abc$$", "ALTER USER bob PASSWORD $$[redacted]$$" },
        { "ALTER USER bob PASSWORD $x$a$$b$x$;", "ALTER USER bob PASSWORD $x$[redacted]$x$;" }, { "ALTER USER bob PASSWORD NULL; SELECT 'a'", "ALTER USER bob PASSWORD NULL; SELECT 'a'" },
        { "ALTER USER bob PASSWORD /* 'not' */ 'abc'", "ALTER USER bob PASSWORD /* 'not' */ '[redacted]'" }, { "ALTER USER bob PASSWORD -- 'not'\n 'abc'", "ALTER USER bob PASSWORD -- 'not'\n '[redacted]'" },
        { "ALTER USER bob /*! PASSWORD 'abc' */", "ALTER USER bob /*! PASSWORD '[redacted]' */" }, { "ALTER USER bob PASSWORD 'cut of", "ALTER USER bob PASSWORD '[redacted]" },
        { "CREATE USER 'a'@'h' IDENTIFIED BY 'abc', 'b'@'h' IDENTIFIED BY 'def'", "CREATE USER 'a'@'h' IDENTIFIED BY '[redacted]', 'b'@'h' IDENTIFIED BY '[redacted]'" },
        { "CREATE USER a IDENTIFIED BY \"abc\" REQUIRE ISSUER 'x'", "CREATE USER a IDENTIFIED BY \"[redacted]\" REQUIRE ISSUER 'x'" }, { "CREATE USER a IDENTIFIED BY PASSWORD '*00'", "CREATE USER a IDENTIFIED BY PASSWORD '[redacted]'" },
        { "CREATE USER a IDENTIFIED WITH 'mysql_native_password' AS '*00'", "CREATE USER a IDENTIFIED WITH 'mysql_native_password' AS '[redacted]'" },
        { "CREATE USER a IDENTIFIED VIA p USING PASSWORD('abc')", "CREATE USER a IDENTIFIED VIA p USING PASSWORD('[redacted]')" }, { "CREATE USER a IDENTIFIED BY tiger", "CREATE USER a IDENTIFIED BY [redacted]" },
        { "ALTER USER a IDENTIFIED BY 'new' REPLACE 'old'", "ALTER USER a IDENTIFIED BY '[redacted]' REPLACE '[redacted]'" },
        { "SET PASSWORD FOR 'bob'@'%' = PASSWORD('abc')", "SET PASSWORD FOR 'bob'@'%' = PASSWORD('[redacted]')" }, { "SET PASSWORD FOR bob@localhost = 'abc'", "SET PASSWORD FOR bob@localhost = '[redacted]'" },
        { "SET PASSWORD = 'abc'", "SET PASSWORD = '[redacted]'" }, { "UPDATE u SET password='abc', n='x' WHERE id='3'", "UPDATE u SET password='[redacted]', n='x' WHERE id='3'" },
        { "UPDATE u SET `password`='abc' WHERE id=3", "UPDATE u SET `password`='[redacted]' WHERE id=3" }, { "UPDATE u SET \"password\"='abc'", "UPDATE u SET \"password\"='[redacted]'" },
        { "UPDATE u SET password=$1 WHERE a='b'", "UPDATE u SET password=$1 WHERE a='b'" }, { "UPDATE u SET password=1234", "UPDATE u SET password=[redacted]" },
        { "INSERT INTO u (name, password) VALUES ('a', 'b')", "INSERT INTO u (name, password) VALUES ('[redacted]', '[redacted]')" }, { "SELECT password FROM u WHERE n = 'x'", "SELECT password FROM u WHERE n = 'x'" },
        { "SELECT a FROM b WHERE identified ORDER BY 'x'", "SELECT a FROM b WHERE identified ORDER BY '[redacted]'" },
        { "CREATE SUBSCRIPTION s CONNECTION 'host=h password=abc' PUBLICATION p", "CREATE SUBSCRIPTION s CONNECTION '[redacted]' PUBLICATION p" },
        { "CREATE USER MAPPING FOR b SERVER s OPTIONS (user 'u', password 'abc')", "CREATE USER MAPPING FOR b SERVER s OPTIONS (user 'u', password '[redacted]')" },
        { "ALTER USER a PASSWORD 'abc\\'; ALTER USER b PASSWORD 'def'", "ALTER USER a PASSWORD '[redacted]" }, { "CREATE USER a IDENTIFIED BY 'ab\\'cd'", "CREATE USER a IDENTIFIED BY '[redacted]" },
        { "SET PASSWORD FOR 'bob'@'%' = 'abc'", "SET PASSWORD FOR 'bob'@'%' = '[redacted]'" }, { "SET PASSWORD FOR \"bob\"@\"%\"=\"abc\"", "SET PASSWORD FOR \"bob\"@\"%\"=\"[redacted]\"" },
        { "CHANGE MASTER TO MASTER_USER='r', MASTER_PASSWORD='abc', MASTER_PORT=3", "CHANGE MASTER TO MASTER_USER='r', MASTER_PASSWORD='[redacted]', MASTER_PORT=3" },
        { "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = 'abc'", "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = '[redacted]'" },
        { "ALTER USER a PASSWORD 'ab'\n 'cd' VALID UNTIL 'x'", "ALTER USER a PASSWORD '[redacted]'\n '[redacted]' VALID UNTIL 'x'" }, { "ALTER USER a IDENTIFIED BY 'ab' 'cd', b", "ALTER USER a IDENTIFIED BY '[redacted]' '[redacted]', b" },
        { "UPDATE u SET password='abc', n = 'x'", "UPDATE u SET password='[redacted]', n = 'x'" },
        { "# don't\nSET PASSWORD = 'abc'", "#[redacted]" }, { "# new\nSET PASSWORD = 'abc'", "# new\nSET PASSWORD = '[redacted]'" }, { "SELECT a #>> '{b}' FROM t WHERE password = 'abc'", "SELECT a #>> '{b}' FROM t WHERE password = '[redacted]'" },
        { "SET @a=5--1, PASSWORD = 'abc'", "SET @a=5-[redacted]" }, { "--it is\nSET PASSWORD = 'abc'", "--it is\nSET PASSWORD = '[redacted]'" }, { "-- it's\nSET PASSWORD = 'abc'", "-- it's\nSET PASSWORD = '[redacted]'" },
        { "/* /* */ ' */ ALTER USER a PASSWORD 'abc'", "/[redacted]" }, { "/* it's */ ALTER USER a PASSWORD 'abc'", "/* it's */ ALTER USER a PASSWORD '[redacted]'" },
        { "ALTER USER a PASSWORD EXPIRE INTERVAL 90 DAY", "ALTER USER a PASSWORD EXPIRE INTERVAL 90 DAY" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        expect_text(samples[i].text, dst, redact_sql(samples[i].text, strlen(samples[i].text), false, dst, sizeof dst), samples[i].expected);
}

static void strict_drops_literals(void **state)
{
    (void)state;
    static const struct { const char *text, *expected; } samples[] = {
        { "SELECT a FROM t1 WHERE b = 'c' AND d = 12.5e3 AND e = $1", "SELECT a FROM t1 WHERE b = '[redacted]' AND d = [redacted] AND e = $1" }, { "SELECT a FROM b", "SELECT a FROM b" },
        { "SELECT $$x$$, X'00', 0xff, \"s\", `n`", "SELECT $$[redacted]$$, X'[redacted]', [redacted], \"[redacted]\", `n`" }, { "SELECT 'a\\'b', 1", "SELECT '[redacted]" }, { "SELECT ''", "SELECT ''" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        expect_text(samples[i].text, dst, redact_sql(samples[i].text, strlen(samples[i].text), true, dst, sizeof dst), samples[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(passwords_leave_statements), cmocka_unit_test(strict_drops_literals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
