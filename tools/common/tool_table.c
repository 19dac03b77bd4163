#include "tool_table.h"

#include <stdio.h>

#include <apr_tables.h>

#include "tool_text.h"

typedef struct column_t {
    const char *head;
    int is_right;
    int width;
} column_t;

struct tool_table_t {
    apr_pool_t *pool;
    column_t *columns;
    int column_count;
    apr_array_header_t *cells; /* of const char *, row by row */
};

tool_table_t *tool_table_make(const char *const *heads, apr_pool_t *pool)
{
    tool_table_t *table = apr_pcalloc(pool, sizeof(*table));
    table->pool = pool;
    while (heads[table->column_count]) {
        table->column_count++;
    }
    table->columns = apr_pcalloc(pool, (size_t)table->column_count * sizeof(*table->columns));
    table->cells = apr_array_make(pool, 16 * table->column_count, sizeof(const char *));
    for (int i = 0; i < table->column_count; i++) {
        column_t *column = &table->columns[i];
        column->is_right = heads[i][0] == '>';
        column->head = heads[i] + column->is_right;
        column->width = tool_text_width(column->head);
    }
    return table;
}

void tool_table_add(tool_table_t *table, const char *const *cells)
{
    for (int i = 0; i < table->column_count; i++) {
        column_t *column = &table->columns[i];
        const char *cell = tool_text_visible(cells[i], table->pool);
        int width = tool_text_width(cell);
        column->width = width > column->width ? width : column->width;
        APR_ARRAY_PUSH(table->cells, const char *) = cell;
    }
}

static void print_cell(const column_t *column, const char *cell, int is_last)
{
    int padding = column->width - tool_text_width(cell);
    if (column->is_right) {
        printf("%*s%s", padding, "", cell);
    } else {
        printf("%s%*s", cell, is_last ? 0 : padding, "");
    }
    fputs(is_last ? "\n" : "  ", stdout);
}

void tool_table_print(const tool_table_t *table)
{
    int last = table->column_count - 1;
    for (int i = 0; i <= last; i++) {
        print_cell(&table->columns[i], table->columns[i].head, i == last);
    }
    for (int i = 0; i < table->cells->nelts; i++) {
        int column = i % table->column_count;
        print_cell(&table->columns[column], APR_ARRAY_IDX(table->cells, i, const char *),
                   column == last);
    }
}
