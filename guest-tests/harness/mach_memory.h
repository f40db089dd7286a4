/* mach_memory.h - memory of a task through its port, this one's or another's.
 *
 * mach_vm_allocate, mach_vm_deallocate and mach_vm_region are in every libSystem known of: call them as they are. The
 * rest is here: the library's function, else the message by hand. Signatures and return codes are those of the routines
 * they are named after (osfmk/mach/mach_vm.defs). */
#ifndef RIG_MACH_MEMORY_H
#define RIG_MACH_MEMORY_H

#include "mach_support.h"

#ifdef __APPLE__

/* <mach/mach_vm.h> is not in every SDK. */
extern kern_return_t mach_vm_allocate(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t size, int flags);
extern kern_return_t mach_vm_deallocate(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size);
extern kern_return_t mach_vm_region(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t *size,
                                    vm_region_flavor_t flavor, vm_region_info_t info, mach_msg_type_number_t *count,
                                    mach_port_t *object);
extern kern_return_t mach_vm_protect(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size, boolean_t maximum,
                                     vm_prot_t rights) RIG_WEAK;
extern kern_return_t mach_vm_read(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size, vm_offset_t *data,
                                  mach_msg_type_number_t *count) RIG_WEAK;
extern kern_return_t mach_vm_write(vm_map_t task, mach_vm_address_t address, vm_offset_t data,
                                   mach_msg_type_number_t count) RIG_WEAK;
extern kern_return_t mach_vm_read_overwrite(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                                            mach_vm_address_t data, mach_vm_size_t *got) RIG_WEAK;
extern kern_return_t mach_vm_copy(vm_map_t task, mach_vm_address_t from, mach_vm_size_t size,
                                  mach_vm_address_t to) RIG_WEAK;
extern kern_return_t mach_vm_remap(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t size,
                                   mach_vm_offset_t mask, int flags, vm_map_t from_task, mach_vm_address_t from,
                                   boolean_t copy, vm_prot_t *rights, vm_prot_t *max_rights,
                                   vm_inherit_t inheritance) RIG_WEAK;

kern_return_t rig_vm_protect(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size, boolean_t maximum,
                             vm_prot_t rights);
/* *data is new memory of this task: vm_deallocate it. */
kern_return_t rig_vm_read(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size, vm_offset_t *data,
                          mach_msg_type_number_t *count);
kern_return_t rig_vm_write(vm_map_t task, mach_vm_address_t address, vm_offset_t data, mach_msg_type_number_t count);
kern_return_t rig_vm_read_overwrite(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                                    mach_vm_address_t data, mach_vm_size_t *got);
kern_return_t rig_vm_copy(vm_map_t task, mach_vm_address_t from, mach_vm_size_t size, mach_vm_address_t to);
kern_return_t rig_vm_remap(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t size, mach_vm_offset_t mask,
                           int flags, vm_map_t from_task, mach_vm_address_t from, boolean_t copy, vm_prot_t *rights,
                           vm_prot_t *max_rights, vm_inherit_t inheritance);

/* ---- What probes do with them ------------------------------------------------------------------------------- */

/* What mach_vm_region says of the region that holds the address or is the next above it: its start, size, rights. The
 * object's right is not kept. */
struct rig_region {
    mach_vm_address_t address;
    mach_vm_size_t size;
    vm_prot_t rights, max_rights;
    vm_inherit_t inheritance;
    boolean_t shared;
};
kern_return_t rig_vm_region(vm_map_t task, mach_vm_address_t address, struct rig_region *region);

/* Bytes of another task's memory, copied to and from this one's. rig_poke also writes where the task itself may not: it
 * makes the pages writable for the while, by copy (a breakpoint in its text), and gives the former rights back. */
kern_return_t rig_peek(task_t task, const volatile void *address, void *bytes, size_t size);
kern_return_t rig_poke(task_t task, const volatile void *address, const void *bytes, size_t size);

#endif
#endif
