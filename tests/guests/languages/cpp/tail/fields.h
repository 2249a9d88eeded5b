#pragma once

#include "workers.h"

// Prints every field of an item.
void show(const worker_item &item);
