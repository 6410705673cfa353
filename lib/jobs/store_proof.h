/* Programs that share a store of snapshots must see one folder: the bus remembers its id. */
#ifndef JOBS_STORE_PROOF_H
#define JOBS_STORE_PROOF_H
#include "bus/bus.h"

#define STORE_PROOF_BUCKET "snapshots"
#define STORE_PROOF_KEY "_store"            /* no snapshot's name begins so */
#define STORE_PROOF_ERROR_TEXT_MAX 512
/* 0; -EXDEV: the bus remembers another store and adopt is false; -errno of the bus. A sentence in error. */
int store_prove(struct bus *bus, const char *store_id, const char *location, bool adopt, char *error);
#endif
