// The kernels for whatever the rest of the program is built for.
#define QUIPU_KERNELS portable
#define QUIPU_KERNEL_WORDS 2
#include "codec/kernel_source.h"
