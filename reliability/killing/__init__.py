"""What the kills are made of: small homes, a process that ends itself at a step, and what each group does."""
