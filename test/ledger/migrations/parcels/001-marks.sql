create table marks (id uuid primary key, label text not null);
