// The boot sector: loads what follows it on the disk to 0x10000 by the BIOS, enters 32-bit protected mode, jumps there.
// Also the entry points that C cannot have: interrupts, and ways for a guest to die.

        .section .boot, "ax"
        .code16
        .globl  boot
boot:   cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
next:   movw    sectors, %cx
        testw   %cx, %cx
        jz      loaded
        cmpw    $64, %cx                // 32 KiB at once: within a segment, and within what every BIOS takes
        jbe     1f
        movw    $64, %cx
1:      movw    %cx, packet_count
        movw    $packet, %si
        movb    $0x42, %ah              // the BIOS left the boot drive in DL
        int     $0x13
        jc      failed
        movw    packet_count, %cx
        subw    %cx, sectors
        addw    %cx, packet_block
        shlw    $5, %cx                 // sectors to paragraphs
        addw    %cx, packet_segment
        jmp     next
failed: movw    $0x0e45, %ax            // an E on the screen, and no more
        int     $0x10
1:      hlt
        jmp     1b
loaded: cli
        lgdt    table_of_segments
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmp    $8, $protected

        .code32
protected:
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    $0x90000, %esp
        jmp     start

        .balign 8
segments:
        .quad   0
        .quad   0x00cf9a000000ffff      // code, flat
        .quad   0x00cf92000000ffff      // data, flat
        .quad   0x00af9a000000ffff      // code of 64 bits
table_of_segments:
        .word   . - segments - 1
        .long   segments

        .balign 4
packet: .byte   16, 0
packet_count:
        .word   0
        .word   0                       // to this offset
packet_segment:
        .word   0x1000                  // of this segment
packet_block:
        .quad   1                       // from this block of the disk
        .org    508
sectors:
        .word   0                       // set when the disk is made
        .word   0xaa55

        .text
        .globl  interrupted
interrupted:                            // whatever it was is found by looking at the devices
        pushl   %eax
        movb    $0x20, %al
        outb    %al, $0xa0
        outb    %al, $0x20
        popl    %eax
        iret

        .globl  triple_fault
triple_fault:                           // no interrupt has a handler any more, nor has the failure to find one
        lidt    no_table
        int3
no_table:
        .word   0
        .long   0

// spin_in_kernel: an endless loop at an address of Darwin's kernel, 0xffffff80........, in 64-bit mode.
        .globl  spin_in_kernel
spin_in_kernel:
        cli
        movl    $level2, %eax           // 1 GiB of memory in pages of 2 MiB, seen twice: from 0, and from the kernel's base
        movl    $0x83, %edx
1:      movl    %edx, (%eax)
        movl    $0, 4(%eax)
        addl    $8, %eax
        addl    $0x200000, %edx
        cmpl    $level2 + 4096, %eax
        jb      1b
        movl    $level2 + 3, level3
        movl    $level3 + 3, level4
        movl    $level3 + 3, level4 + 511 * 8   // 0xffffff8000000000 is the first of the last 512 GiB
        movl    %cr4, %eax
        orl     $0x20, %eax
        movl    %eax, %cr4
        movl    $level4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax
        movl    %eax, %cr0
        ljmp    $24, $1f
        .code64
1:      movl    $2f, %eax
        movabsq $0xffffff8000000000, %rdx
        addq    %rdx, %rax
        jmp     *%rax
2:      jmp     2b

        .bss
        .balign 4096
level2: .skip   4096
level3: .skip   4096
level4: .skip   4096
