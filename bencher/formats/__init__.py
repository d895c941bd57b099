"""How Django writes dates where no presenter does: in the admin."""
