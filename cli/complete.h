/* Names for the shell's completion: asked of the bus in the moment, without a word where that fails. */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H
/* what: "node" or "snapshot"; one name per line. The bus is found by the environment alone. */
void complete_names(const char *what);
#endif
