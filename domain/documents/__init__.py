"""What holds for documents, whoever brings or asks for them: types, names, limits. Pure rules, no I/O."""
