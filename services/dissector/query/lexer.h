/* Tokens of an expression (CEL's lexis). The source is checked to be UTF-8 without NUL first, so that all texts that come out are. */
#ifndef DISSECTOR_QUERY_LEXER_H
#define DISSECTOR_QUERY_LEXER_H
#include "services/dissector/query/expression.h"

enum token_kind {
    TOKEN_END, TOKEN_NAME, TOKEN_INT, TOKEN_DOUBLE, TOKEN_STRING, TOKEN_BYTES,
    TOKEN_TRUE, TOKEN_FALSE, TOKEN_NULL, TOKEN_IN,
    TOKEN_DOT, TOKEN_COMMA, TOKEN_COLON, TOKEN_QUESTION, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_OPEN_LIST, TOKEN_CLOSE_LIST, TOKEN_OPEN_MAP, TOKEN_CLOSE_MAP,
    TOKEN_AND, TOKEN_OR, TOKEN_NOT, TOKEN_LESS, TOKEN_LESS_EQUAL, TOKEN_GREATER, TOKEN_GREATER_EQUAL, TOKEN_EQUAL, TOKEN_NOT_EQUAL,
    TOKEN_PLUS, TOKEN_MINUS, TOKEN_STAR, TOKEN_SLASH, TOKEN_PERCENT,
};
struct token {
    enum token_kind kind;
    uint32_t at, end;       /* bytes of the source */
    const char *text;       /* NAME: in the source; STRING and BYTES: what the escapes mean, in the expression's memory */
    uint32_t size;
    uint64_t number;        /* INT: up to 2^63, which only a minus before it makes right */
    double real;
};
/* 0, -EINVAL, -ENOMEM. */
int lexer_check_text(const struct expression *e, struct query_error *error);
/* The token at or behind byte `from`. */
int lexer_next(struct expression *e, uint32_t from, struct token *ret, struct query_error *error);
/* A word that CEL keeps for itself: no variable may have it, a field behind a dot may. */
bool lexer_is_reserved(const char *text, size_t size);
#endif
