/**
 * What RADV prints, shortened from real output (navi21, Mesa 25): a loop of loads with a guarded end around a loop of
 * multiply-adds. Instructions of one kind in a row were thinned out.
 */
export const sample = `ac_compute_device_uuid's output is based on invalid pci bus info.

MARK 7
Compute Shader
disasm:
BB0:
	v_mbcnt_lo_u32_b32 v1, -1, 0                                ; d7650001 000100c1
	s_nop 0                                                     ; bf800000
	(then repeated 2 times)
BB1:
	v_cmpx_le_u32_e32 0x2000, v1                                ; 7da602ff 00002000
	s_cbranch_scc0 BB10                                         ; bf84000a
	ds_write_b128 v1, v[4:7]                                    ; db7c0000 00000401
	s_branch BB1                                                ; bf82fff2
BB10:
	s_cmp_lt_i32 s7, s12                                        ; bf040c07
	s_cbranch_scc0 BB34                                         ; bf8402ae
BB16:
	s_cmp_ge_i32 s11, s13                                       ; bf030d0b
	s_cbranch_scc1 BB26                                         ; bf850100
	s_cmp_le_i32 s9, s14                                        ; bf050e09
	s_cbranch_scc0 BB18                                         ; bf840010
	buffer_load_dwordx4 v[76:79], v1, s[12:15], 0 offen         ; e0381000 80034c01
	s_branch BB19                                               ; bf820008
BB18:
	v_min_i32_e32 v13, s6, v13                                  ; 221a1a06
	buffer_load_dwordx4 v[76:79], v13, s[12:15], 0 offen        ; e0381000 80034c0d
	v_cndmask_b32_e64 v76, 0, v76, s[42:43]                     ; d501004c 00aa9880
BB19:
	s_waitcnt vmcnt(0)                                          ; bf8c3f70
	ds_write_b128 v123, v[76:79]                                ; db7c0000 00004c7b
	s_mov_b32 s8, 0                                             ; be880380
BB20:
	ds_read_b128 v[80:83], v1                                   ; dbfc0000 50000001
	ds_read2_b32 v[84:85], v1 offset1:1                         ; d8dc0100 54000001
	v_fmac_f32_e32 v27, v81, v91                                ; 5636b751
	v_fmac_f32_e32 v32, v82, v88                                ; 5640b152
	v_dual_fmac_f32 v7, v80, v95 :: v_dual_fmac_f32 v8, v81, v9 ; c8000000 00000000
	v_mul_f32_e32 v6, v6, v7                                    ; 100c0f06
	s_add_u32 s8, s8, 1                                         ; 80088108
	s_cmp_ge_i32 s8, 16                                         ; bf039008
	s_cbranch_scc0 BB20                                         ; bf84ffac
	s_add_u32 s11, s11, 16                                      ; 800b900b
	s_branch BB16                                               ; bf82fee2
BB26:
	v_cmp_le_i32_e32 vcc, s13, v14                              ; 7d061c0d
	s_cbranch_execz BB34                                        ; bf880082
	buffer_store_dword v16, v1, s[8:11], 0 offen                ; e0701000 80021001
BB34:
	s_endpgm                                                    ; bf810000

Compute Shader:
*** SHADER STATS ***
SGPRs: 128
VGPRs: 96
Spilled SGPRs: 0
Spilled VGPRs: 3
LDS size: 8192
Subgroups per SIMD: 8
********************
`;
