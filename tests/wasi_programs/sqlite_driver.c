/* A small database on a file: made, filled, indexed, queried, vacuumed, reopened and checked. */
#include <stdio.h>
#include <stdlib.h>
#include "sqlite3.h"

static int row(void *unused, int count, char **values, char **names) {
    for (int i = 0; i < count; i++) printf("%s%s", i ? "|" : "", values[i] ? values[i] : "NULL");
    printf("\n");
    return 0;
}

static void run(sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, row, NULL, &message) != SQLITE_OK) {
        printf("error: %s in %s\n", message, sql);
        exit(1);
    }
}

int main(int argc, char **argv) {
    sqlite3 *db;
    if (argc < 2 || sqlite3_open(argv[1], &db) != SQLITE_OK) return 2;
    run(db, "PRAGMA page_size=4096; PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;"
            "CREATE TABLE star (id INTEGER PRIMARY KEY, name TEXT, magnitude REAL);"
            "BEGIN;"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            "INSERT INTO star SELECT i, printf('HD %06d', i * 7919 % 225300), i % 97 / 7.0 FROM n;"
            "COMMIT; CREATE INDEX by_name ON star (name);");
    run(db, "SELECT count(*), min(name), max(name), round(sum(magnitude), 6) FROM star");
    run(db, "SELECT name, magnitude FROM star WHERE name BETWEEN 'HD 100000' AND 'HD 100100'"
            " ORDER BY name LIMIT 5");
    run(db, "BEGIN; DELETE FROM star WHERE id % 3 = 0; ROLLBACK; SELECT count(*) FROM star");
    run(db, "DELETE FROM star WHERE id % 3 = 0; VACUUM; PRAGMA integrity_check");
    sqlite3_close(db);
    if (sqlite3_open(argv[1], &db) != SQLITE_OK) return 3;
    run(db, "SELECT count(*), sum(id) FROM star; PRAGMA integrity_check");
    sqlite3_close(db);
    return 0;
}
